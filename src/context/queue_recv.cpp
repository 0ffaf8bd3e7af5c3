// SPDX-License-Identifier: Apache-2.0
// Queue, the receive side: polling, waiting, giving back.
#include <poll.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include "base/deadline.hpp"
#include "context/core.hpp"
#include "context/queue_state.hpp"
#include "verbs/ticks.hpp"

namespace pktverbs {

namespace {

constexpr std::uint32_t recv_poll_batch = 64;

}  // namespace

/// Polls at most recv_poll_batch completions; returns how many there were. Timestamps stay 0 from the start.
std::uint32_t Queue::poll_batch(RecvList& list, std::uint32_t most) noexcept {
    State& state = *state_;
    std::array<ibv_wc, recv_poll_batch> wcs;
    const int got = ibv_poll_cq(state.recv_cq.get(), static_cast<int>(std::min(most, recv_poll_batch)), wcs.data());
    if (got < 0) [[unlikely]] {
        state.error = device_errno(got);
        return 0;
    }
    std::uint64_t packets = 0;
    std::uint64_t bytes = 0;
    for (int i = 0; i < got; ++i) {
        const ibv_wc& wc = wcs[static_cast<std::size_t>(i)];
        RecvPkt& pkt = *reinterpret_cast<RecvPkt*>(wc.wr_id);
        if (wc.status != IBV_WC_SUCCESS) [[unlikely]] {
            failed(list, pkt, wc.status);
            continue;
        }
        std::uint32_t length = wc.byte_len - state.header_bytes;
        pkt.set_result(length, IBV_WC_SUCCESS, wc.src_qp & state.source_mask, wc.wc_flags);
        if (state.finishes) [[unlikely]]
            length -= state.receive_offloads.apply(pkt);
        ++packets;
        bytes += length;
        list.link(&pkt, &pkt, 1);
    }
    state.packets_received.add(packets);
    state.bytes_received.add(bytes);
    return static_cast<std::uint32_t>(got);
}

/// The same with an extended completion queue: timestamps and flow tags.
std::uint32_t Queue::poll_extended(RecvList& list, std::uint32_t most) noexcept {
    State& state = *state_;
    ibv_cq_ex* const cq = state.recv_cq_ex;
    ibv_poll_cq_attr attr{};
    int result = ibv_start_poll(cq, &attr);
    if (result != 0) {
        if (result != ENOENT) [[unlikely]]
            state.error = device_errno(result);
        return 0;
    }
    std::uint32_t got = 0;
    std::uint64_t packets = 0;
    std::uint64_t bytes = 0;
    for (; result == 0; result = ++got < most ? ibv_next_poll(cq) : ENOENT) {
        RecvPkt& pkt = *reinterpret_cast<RecvPkt*>(cq->wr_id);
        if (cq->status != IBV_WC_SUCCESS) [[unlikely]] {
            failed(list, pkt, cq->status);
            continue;
        }
        std::uint32_t length = ibv_wc_read_byte_len(cq) - state.header_bytes;
        const std::uint32_t tag = state.flow_tags          ? ibv_wc_read_flow_tag(cq)
                                  : state.source_mask != 0 ? ibv_wc_read_src_qp(cq)
                                                           : 0;
        pkt.set_result(length, IBV_WC_SUCCESS, tag, ibv_wc_read_wc_flags(cq));
        if (state.limits.timestamps) [[likely]]
            pkt.timestamp_ = to_nanoseconds(ibv_wc_read_completion_ts(cq), state.clock_khz);
        if (state.finishes) [[unlikely]] {
            const std::uint16_t tci = state.device_strips ? ibv_wc_read_cvlan(cq) : std::uint16_t{0};
            if (state.device_strips) pkt.set_vlan(tci, tci != 0);
            length -= state.receive_offloads.apply(pkt);
        }
        ++packets;
        bytes += length;
        list.link(&pkt, &pkt, 1);
    }
    ibv_end_poll(cq);
    if (result != ENOENT) [[unlikely]]
        state.error = device_errno(result);
    state.packets_received.add(packets);
    state.bytes_received.add(bytes);
    return got;
}

/// A failed completion. A flushed packet carries no news of its own: it waits for recover().
void Queue::failed(RecvList& list, RecvPkt& pkt, ibv_wc_status status) noexcept {
    State& state = *state_;
    state.in_error = true;  // a receive error takes the queue pair to the error state
    state.recv_errors[status].add(1);
    pkt.set_result(0, status, 0, 0);
    pkt.timestamp_ = 0;
    if (state.finishes) pkt.set_vlan(0, false);
    if (status == IBV_WC_WR_FLUSH_ERR)
        park(&pkt, &pkt, 1);
    else
        list.link(&pkt, &pkt, 1);
}

RecvList Queue::poll_recv(std::uint32_t most) noexcept {
    State& state = *state_;
    RecvList list;
    list.queue_ = this;
    std::uint32_t taken = 0;
    while (taken < most) {
        const std::uint32_t want = std::min(most - taken, recv_poll_batch);
        const std::uint32_t got = state.recv_cq_ex ? poll_extended(list, want) : poll_batch(list, want);
        taken += got;
        if (got < want) break;
    }
    if (taken != 0) {
        if (state.posted.fetch_sub(taken, std::memory_order_relaxed) == taken) state.starvations.add(1);
        state.largest_batch.raise_to(list.size_);
    }
    if (list.head_) [[likely]] {
        list.tail_->set_next(nullptr);
        list.outcome_ = Outcome::packets;
    } else if (state.error != 0) {
        list.outcome_ = Outcome::device_error;
    } else if (state.in_error) {
        list.outcome_ = Outcome::queue_error;
    } else if (state.parked_count.load(std::memory_order_relaxed) != 0) [[unlikely]] {
        post_parked();  // there may be no list left whose release would do it
    }
    return list;
}

RecvList Queue::next_list() noexcept {
    State& state = *state_;
    if (!state.saved.empty()) [[unlikely]] {
        RecvList list = state.saved.pop_front();
        while (!state.saved.empty() && list.size() < state.limits.max_batch) list.append(state.saved.pop_front());
        return list;
    }
    // One call never takes all from the NIC: half of what is there, unless the user said how many.
    const std::uint32_t posted = state.posted.load(std::memory_order_relaxed);
    return poll_recv(state.default_batch ? std::max(posted / 2, 1U) : state.limits.max_batch);
}

RecvList Queue::recv(std::chrono::nanoseconds timeout, std::stop_token stop) noexcept {
    State& state = *state_;
    const SideGuard guard{state.recv_side};
    if (!state.recv_cq) return RecvList{Outcome::no_receive_side};
    if (stop.stop_requested()) return RecvList{Outcome::stopped};
    RecvList list = next_list();
    if (list.outcome_ != Outcome::timeout) [[likely]]
        return list;
    if (timeout <= std::chrono::nanoseconds::zero()) {
        state.core.polled_in_vain(state.polls_in_vain);
        return list;
    }
    std::array<pollfd, 3> fds;
    std::size_t next = 0;
    Queue* const self = this;
    return Core::wait(std::span{&self, 1}, next, fds, state.wake.get(), timeout, stop);
}

int Queue::fd() const noexcept { return state_->recv_ready.fd(); }

bool Queue::arm() noexcept {
    const SideGuard guard{state_->recv_side};
    return request_event();
}

void Queue::drain() noexcept {
    State& state = *state_;
    const SideGuard guard{state.recv_side};
    if (state.recv_ready) state.recv_ready.drain(state.core, [this](std::uint32_t) { take_events(); });
}

bool Queue::request_event() noexcept {
    State& state = *state_;
    if (!state.recv_cq) return true;
    const int result = ibv_req_notify_cq(state.recv_cq.get(), 0);
    if (result != 0) state.error = device_errno(result);
    return result == 0;
}

void Queue::take_events() noexcept {
    State& state = *state_;
    if (state.recv_channel) state.take_events(*state.recv_channel, *state.recv_cq, state.recv_events, state.error);
}

/// Takes the events off a channel, which is non-blocking, and acknowledges them now and then: that takes a lock.
void Queue::State::take_events(ibv_comp_channel& channel, ibv_cq& cq, std::uint32_t& unacknowledged,
                               std::atomic<int>& failure) noexcept {
    constexpr std::uint32_t ack_batch = 64;
    const verbs::Provider& provider = *core.device.provider;
    ibv_cq* from = nullptr;
    void* cq_context = nullptr;
    errno = 0;
    while (provider.get_cq_event(&channel, &from, &cq_context) == 0) ++unacknowledged;
    // A device that was removed leaves a channel that is readable for ever.
    if (errno != EAGAIN && errno != EINTR) failure = device_errno(errno);
    if (unacknowledged >= ack_batch) provider.ack_cq_events(&cq, std::exchange(unacknowledged, 0));
}

// Giving back: any thread.

void Queue::park(RecvPkt* first, RecvPkt* last, std::uint32_t count) noexcept {
    State& state = *state_;
    const std::lock_guard lock{state.parked_mutex};
    last->set_next(state.parked);
    state.parked = first;
    state.parked_count.fetch_add(count, std::memory_order_relaxed);
}

/// From a list: posts the chain, then what was refused before.
std::size_t Queue::give_back(RecvPkt* first, RecvPkt* last, std::uint32_t count) noexcept {
    State& state = *state_;
    State::Giver giver{state};
    if (giver.too_late()) [[unlikely]] {
        Core& core = state.core;
        giver.leave();
        core.packets_returned(count);  // and with the last of them, all of this is gone
        return 0;
    }
    if (state.recovering.load()) [[unlikely]] {
        park(first, last, count);  // what is posted to a queue pair that is being reset, is lost
        return 0;
    }
    const std::size_t posted = post(first, last, count);
    // Flushed packets are parked, too: they wait for recover().
    const bool refused_before = posted == count && state.parked_count.load(std::memory_order_relaxed) != 0;
    if (refused_before && !state.in_error) [[unlikely]]
        return posted + post_parked().posted;
    return posted;
}

/// Posts a chain; what the device refuses is parked.
std::size_t Queue::post(RecvPkt* first, RecvPkt* last, std::uint32_t count) noexcept {
    State& state = *state_;
    last->set_next(nullptr);
    // Before posting: the receiver may take them off again at once.
    state.posted.fetch_add(count, std::memory_order_relaxed);
    ibv_recv_wr* bad = nullptr;
    const int result = state.post(&first->wr_, &bad);
    if (result == 0) [[likely]]
        return count;
    auto* const refused = bad ? reinterpret_cast<RecvPkt*>(bad) : first;  // some drivers don't say which
    std::uint32_t left = 0;
    for (const RecvPkt* pkt = refused; pkt; pkt = pkt->next()) ++left;
    state.posted.fetch_sub(left, std::memory_order_relaxed);
    state.refused_receives.fetch_add(left, std::memory_order_relaxed);
    state.post_error.store(device_errno(result), std::memory_order_relaxed);
    park(refused, last, left);
    return count - left;
}

Queue::Posted Queue::post_parked() noexcept {
    State& state = *state_;
    RecvPkt* first = nullptr;
    {
        const std::lock_guard lock{state.parked_mutex};
        first = std::exchange(state.parked, nullptr);
        state.parked_count = 0;
    }
    if (!first) return {};
    RecvPkt* last = first;
    std::uint32_t count = 1;
    for (; last->next(); last = last->next()) ++count;
    return {.posted = post(first, last, count), .offered = count};
}

}  // namespace pktverbs
