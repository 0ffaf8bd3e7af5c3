// SPDX-License-Identifier: Apache-2.0
// Queue, the send side: acquiring, posting, collecting completions.
#include <poll.h>

#include <algorithm>
#include <array>
#include <utility>

#include "base/deadline.hpp"
#include "context/core.hpp"
#include "context/queue_state.hpp"
#include "context/stop_wake.hpp"

namespace pktverbs {

namespace {

constexpr std::uint32_t send_poll_batch = 64;

}  // namespace

/// The last freed is the first used: its buffer is the likeliest to be in the cache still.
void Queue::put_free(SendPkt* first, SendPkt* last, std::uint32_t count) noexcept {
    State& state = *state_;
    first->chain_last_ = last;
    first->chain_size_ = count;
    first->next_chain_ = state.free;
    state.free = first;
    state.free_count.store(state.free_count.load(std::memory_order_relaxed) + count, std::memory_order_relaxed);
}

/// From a list that was not sent.
void Queue::cancel(SendPkt* first, SendPkt* last, std::uint32_t count) noexcept {
    State& state = *state_;
    State::Giver giver{state};
    if (giver.too_late()) [[unlikely]] {
        Core& core = state.core;
        giver.leave();
        core.packets_returned(count);  // and with the last of them, all of this is gone
        return;
    }
    const SideGuard guard{state.send_side};
    put_free(first, last, count);
}

/// Everything posted up to `newest` is complete: send queues complete in order, and unsignalled packets with the next
/// signalled one.
void Queue::retire(SendPkt& newest, bool ok) noexcept {
    State& state = *state_;
    const std::uint32_t count = newest.sequence_ - state.oldest_in_flight->sequence_ + 1;
    const std::uint64_t bytes = newest.bytes_until_ - state.bytes_retired;
    state.bytes_retired = newest.bytes_until_;
    state.packets_sent.add(ok ? count : count - 1);
    state.bytes_sent.add(ok ? bytes : bytes - newest.length_);
    if (state.send_offloads.has_entries()) [[unlikely]]
        state.send_offloads.free_until(newest.entries_until_);
    SendPkt* const first = state.oldest_in_flight;
    state.oldest_in_flight = &newest == state.newest_in_flight ? nullptr : newest.next();
    if (!state.oldest_in_flight) state.newest_in_flight = nullptr;
    state.in_flight.store(state.in_flight.load(std::memory_order_relaxed) - count, std::memory_order_relaxed);
    put_free(first, &newest, count);
}

/// Whether what is in flight will tell when it is done. The packets behind the last signalled one won't: there are some
/// only when the device took the start of a list and refused its end.
bool Queue::completion_due() const noexcept {
    for (const SendPkt* pkt = state_->oldest_in_flight; pkt; pkt = pkt->next())
        if ((pkt->wr_.send_flags & IBV_SEND_SIGNALED) != 0) return true;
    return false;
}

void Queue::reclaim() noexcept {
    State& state = *state_;
    if (!state.send_cq) return;
    std::array<ibv_wc, send_poll_batch> wcs;
    for (;;) {
        const int got = ibv_poll_cq(state.send_cq.get(), static_cast<int>(wcs.size()), wcs.data());
        if (got < 0) [[unlikely]]
            state.send_error = device_errno(got);
        for (int i = 0; i < got; ++i) {
            const ibv_wc& wc = wcs[static_cast<std::size_t>(i)];
            if (SendOffloads::is_part(wc.wr_id)) [[unlikely]] {
                state.in_error = true;
                continue;
            }
            const bool ok = wc.status == IBV_WC_SUCCESS;
            if (!ok) [[unlikely]] {
                state.send_errors[wc.status].add(1);
                state.in_error = true;
            }
            retire(*reinterpret_cast<SendPkt*>(wc.wr_id), ok);
        }
        if (got < static_cast<int>(wcs.size())) return;
    }
}

SendList Queue::acquire(std::size_t count) noexcept {
    State& state = *state_;
    const SideGuard guard{state.send_side};
    // Also when there are enough: what was sent last is the best to use next, as its buffer is in the cache.
    if (state.in_flight.load(std::memory_order_relaxed) != 0) reclaim();
    SendList list;
    list.queue_ = this;
    while (state.free && list.size_ < count) {
        SendPkt* const first = state.free;
        const auto taken = static_cast<std::uint32_t>(std::min<std::size_t>(count - list.size_, first->chain_size_));
        SendPkt* last = first->chain_last_;
        state.free = first->next_chain_;
        if (taken < first->chain_size_) {
            last = first;
            for (std::uint32_t i = 1; i < taken; ++i) last = last->next();
            SendPkt* const rest = last->next();
            rest->chain_last_ = first->chain_last_;
            rest->chain_size_ = first->chain_size_ - taken;
            rest->next_chain_ = state.free;
            state.free = rest;
        }
        list.link(first, last, taken);
    }
    if (list.head_)
        list.tail_->set_next(nullptr);
    else if (count != 0 && ++state.empty_acquires % Core::polls_per_look == 0)
        state.core.look_for_device_events();  // a device that has failed completes nothing
    state.free_count.store(state.free_count.load(std::memory_order_relaxed) - list.size_, std::memory_order_relaxed);
    return list;
}

/// Waits until `done`, which collects completions, or the timeout, or stop.
template <class Done>
bool Queue::wait_sends(std::chrono::nanoseconds timeout, const std::stop_token& stop, Done done) noexcept {
    State& state = *state_;
    if (done()) return true;
    if (timeout <= std::chrono::nanoseconds::zero() || !state.send_cq) return false;
    const Deadline deadline{timeout};
    const auto give_up = [&] {
        return state.send_error != 0 || !completion_due() || stop.stop_requested() || deadline.passed();
    };
    const Deadline spin_end = state.spin_end();
    for (unsigned polls = 1; state.wait_mode != WaitMode::block && !spin_end.passed(); ++polls) {
        if (done()) return true;
        if (give_up()) return false;
        if (polls % Core::polls_per_look == 0) state.core.look_for_device_events();
    }
    const StopWake stop_wake{stop, state.send_wake.get()};
    for (;;) {
        if (const int result = ibv_req_notify_cq(state.send_cq.get(), 0); result != 0)
            state.send_error = device_errno(result);
        if (done()) return true;
        if (give_up()) return false;
        timespec left;
        std::array<pollfd, 3> fds{{{state.send_channel->fd, POLLIN, 0},
                                   {state.send_wake.get(), POLLIN, 0},
                                   {state.core.context->async_fd, POLLIN, 0}}};
        const int ready = ppoll(fds.data(), fds.size(), deadline.left(left), nullptr);
        if (ready < 0 && errno != EINTR) state.send_error = errno;
        if (ready > 0 && fds[1].revents != 0) clear_event_fd(state.send_wake.get());
        if (ready > 0 && fds[2].revents != 0) state.core.take_device_events();
        if (ready > 0 && fds[0].revents != 0)
            state.take_events(*state.send_channel, *state.send_cq, state.send_events, state.send_error);
    }
}

SendList Queue::acquire(std::size_t count, std::chrono::nanoseconds timeout, std::stop_token stop) noexcept {
    State& state = *state_;
    const std::size_t enough = std::min<std::size_t>(count, state.limits.send_packets);
    {
        const SideGuard guard{state.send_side};
        wait_sends(timeout, stop, [&] {
            if (state.free_count.load(std::memory_order_relaxed) < enough) reclaim();
            return state.free_count.load(std::memory_order_relaxed) >= enough;
        });
    }
    return acquire(count);
}

bool Queue::flush(std::chrono::nanoseconds timeout, std::stop_token stop) noexcept {
    State& state = *state_;
    const SideGuard guard{state.send_side};
    return wait_sends(timeout, stop, [&] {
        reclaim();
        return state.in_flight.load(std::memory_order_relaxed) == 0;
    });
}

int Queue::send_fd() const noexcept { return state_->send_ready.fd(); }

bool Queue::arm_send() noexcept {
    State& state = *state_;
    const SideGuard guard{state.send_side};
    if (!state.send_cq) return false;
    if (const int result = ibv_req_notify_cq(state.send_cq.get(), 0); result != 0)
        state.send_error = device_errno(result);
    // Armed first, polled after: what is due now makes an event, or it is seen by the caller's next call.
    reclaim();
    return state.send_error == 0 && completion_due();
}

void Queue::drain_send() noexcept {
    State& state = *state_;
    const SideGuard guard{state.send_side};
    if (!state.send_ready) return;
    state.send_ready.drain(state.core, [&state](std::uint32_t) {
        state.take_events(*state.send_channel, *state.send_cq, state.send_events, state.send_error);
    });
}

/// Makes a packet's work requests what it asks for.
int Queue::shape(SendPkt& pkt, unsigned& flags, ibv_send_wr*& first) noexcept {
    SendOffloads& offloads = state_->send_offloads;
    const int error = offloads.shape(pkt, flags, first);
    if (error != ENOBUFS) return error;
    reclaim();
    return offloads.shape(pkt, flags, first);
}

SendList Queue::send(SendList packets) noexcept {
    State& state = *state_;
    const SideGuard guard{state.send_side};
    packets.error_ = 0;
    if (packets.empty()) return packets;
    if (packets.queue_ != this) [[unlikely]] {
        packets.error_ = EINVAL;
        return packets;
    }
    // In error it would all be flushed; and a device that has failed, or won't complete, is given nothing more.
    packets.error_ =
        state.in_error.load(std::memory_order_relaxed) ? EIO : state.send_error.load(std::memory_order_relaxed);
    if (packets.error_ != 0) [[unlikely]]
        return packets;

    // Where the work requests begin: those of a packet may begin with others than its own.
    ibv_send_wr* begin = &packets.head_->wr_;
    bool shaped = false;
    const std::uint32_t entries_before = state.send_offloads.used();
    // One pass over the list writes what differs from packet to packet.
    std::uint32_t count = 0;
    std::uint32_t unsignalled = 0;
    SendPkt* last = nullptr;
    SendPkt* refused = packets.head_;
    for (; refused; refused = refused->next()) {
        SendPkt& pkt = *refused;
        if (pkt.length_ < state.min_bytes) [[unlikely]] {
            packets.error_ = EMSGSIZE;
            break;
        }
        if (state.source_mask != 0 && !pkt.wr_.wr.ud.ah) [[unlikely]] {
            packets.error_ = EDESTADDRREQ;
            break;
        }
        unsigned flags = pkt.length_ <= state.limits.max_inline ? IBV_SEND_INLINE : 0;
        if (pkt.asks() != 0) [[unlikely]] {
            ibv_send_wr* its = nullptr;
            packets.error_ = shape(pkt, flags, its);
            if (packets.error_ != 0) break;
            (last ? last->wr_.next : begin) = its;
            shaped = true;
        }
        if (state.send_offloads.has_entries()) [[unlikely]]
            pkt.entries_until_ = state.send_offloads.used();
        pkt.sequence_ = state.next_sequence + count;
        state.bytes_posted += pkt.length_;
        pkt.bytes_until_ = state.bytes_posted;
        if (++unsignalled == state.limits.signal_every) {
            flags |= IBV_SEND_SIGNALED;
            unsignalled = 0;
        }
        pkt.wr_.send_flags = flags;
        last = &pkt;
        ++count;
    }
    if (count == 0) return packets;
    last->wr_.send_flags |= IBV_SEND_SIGNALED;  // so that the end of a stream is known to be sent
    last->set_next(nullptr);

    SendPkt* const first = packets.head_;
    ibv_send_wr* bad = nullptr;
    const int result = ibv_post_send(state.qp.get(), begin, &bad);
    if (shaped) [[unlikely]]
        state.send_offloads.unshape(begin);
    if (result != 0) [[unlikely]] {
        const std::uint32_t offered = count;
        // The rest, if there is one, goes behind what the device refused.
        last->set_next(refused);
        refused = bad ? SendOffloads::packet_of(bad) : first;  // some drivers don't say which: then none was taken
        packets.error_ = device_errno(result);
        count = refused->sequence_ - first->sequence_;
        state.refused_sends.add(offered - count);
        state.bytes_posted = refused->bytes_until_ - refused->length_;
        last = first;
        for (std::uint32_t i = 1; i < count; ++i) last = last->next();
        if (count != 0) last->set_next(nullptr);
        if (state.send_offloads.has_entries())
            state.send_offloads.take_back(bad, *refused, count != 0 ? last->entries_until_ : entries_before);
    }
    if (count != 0) {
        if (state.newest_in_flight)
            state.newest_in_flight->set_next(first);
        else
            state.oldest_in_flight = first;
        state.newest_in_flight = last;
        state.next_sequence += count;
        state.in_flight.store(state.in_flight.load(std::memory_order_relaxed) + count, std::memory_order_relaxed);
    }
    packets.head_ = refused;
    packets.size_ -= count;
    if (!refused) [[likely]]
        packets.tail_ = nullptr;
    return packets;
}

}  // namespace pktverbs
