// SPDX-License-Identifier: Apache-2.0
#include "context/recv_side.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "context/queue_setup.hpp"
#include "verbs/ticks.hpp"

namespace pktverbs {

RecvSide::RecvSide(const QueueSetup& setup, QueueStatus& status, Queue& queue) noexcept
    : status_{status},
      queue_{queue},
      completions_{setup.port.provider},
      device_strips_{setup.device_strips_vlan()},
      offloads_{setup.offloads.by},
      finishes_{device_strips_ || offloads_.any()},
      clock_khz_{setup.clock_khz},
      header_bytes_{setup.header_bytes()},
      source_mask_{setup.source_mask()} {}

void RecvSide::open(const QueueSetup& setup, std::uint32_t count) {
    packets_ = count;
    if (count == 0) return;
    completions_.open_channel(setup.port);
    open_completions(setup, count);
    pool_.open(setup, count);
}

/// With timestamps if the device has such completion queues after all. ConnectX-3 has them, but no flow tags in them.
void RecvSide::open_completions(const QueueSetup& setup, std::uint32_t count) {
    constexpr std::string_view what = "create a receive completion queue";
    const bool is_datagram = setup.is_datagram();
    timestamps_ = setup.limits.timestamps;
    if (timestamps_ || device_strips_) {
        const std::uint64_t flags =
            std::uint64_t{IBV_WC_EX_WITH_BYTE_LEN} | (timestamps_ ? IBV_WC_EX_WITH_COMPLETION_TIMESTAMP : 0) |
            (device_strips_ ? IBV_WC_EX_WITH_CVLAN : 0) | (is_datagram ? IBV_WC_EX_WITH_SRC_QP : 0);
        flow_tags_ = !is_datagram && completions_.open_extended(setup.port, count, setup.comp_vector,
                                                                flags | IBV_WC_EX_WITH_FLOW_TAG, what);
        if (flow_tags_ || completions_.open_extended(setup.port, count, setup.comp_vector, flags, what)) return;
    }
    timestamps_ = false;
    if (device_strips_)
        verbs::throw_message(EOPNOTSUPP,
                             fmt::format("cannot open {} with strip_vlan: its completions don't report VLAN "
                                         "tags (ask for software)",
                                         setup.device.name));
    completions_.open(setup.port, count, setup.comp_vector, what);
}

void RecvSide::close() noexcept {
    qp_ = nullptr;
    wq_ = nullptr;
    pool_.deregister();
    completions_.close();
    completions_.close_channel();
    // They are the queue's own already: nobody returns them.
    pool_.count_only(static_cast<std::uint32_t>(saved_.size()));
    saved_.forget();
}

/// Polls at most poll_batch completions; returns how many there were. Timestamps stay 0 from the start.
std::uint32_t RecvSide::poll_plain(RecvList& list, std::uint32_t most) noexcept {
    std::array<ibv_wc, poll_batch> wcs;
    const int got = ibv_poll_cq(completions_.queue(), static_cast<int>(std::min(most, poll_batch)), wcs.data());
    if (got < 0) [[unlikely]] {
        completions_.fail(got);
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
        std::uint32_t length = wc.byte_len - header_bytes_;
        pkt.set_result(length, IBV_WC_SUCCESS, wc.src_qp & source_mask_, wc.wc_flags);
        if (finishes_) [[unlikely]]
            length -= offloads_.apply(pkt);
        ++packets;
        bytes += length;
        list.link(&pkt, &pkt, 1);
    }
    packets_received_.add(packets);
    bytes_received_.add(bytes);
    return static_cast<std::uint32_t>(got);
}

/// The same with an extended completion queue: timestamps and flow tags.
std::uint32_t RecvSide::poll_extended(RecvList& list, std::uint32_t most) noexcept {
    ibv_cq_ex* const cq = completions_.extended();
    ibv_poll_cq_attr attr{};
    int result = ibv_start_poll(cq, &attr);
    if (result != 0) {
        if (result != ENOENT) [[unlikely]]
            completions_.fail(result);
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
        std::uint32_t length = ibv_wc_read_byte_len(cq) - header_bytes_;
        const std::uint32_t tag = flow_tags_          ? ibv_wc_read_flow_tag(cq)
                                  : source_mask_ != 0 ? ibv_wc_read_src_qp(cq)
                                                      : 0;
        pkt.set_result(length, IBV_WC_SUCCESS, tag, ibv_wc_read_wc_flags(cq));
        if (timestamps_) [[likely]]
            pkt.timestamp_ = to_nanoseconds(ibv_wc_read_completion_ts(cq), clock_khz_);
        if (finishes_) [[unlikely]] {
            const std::uint16_t tci = device_strips_ ? ibv_wc_read_cvlan(cq) : std::uint16_t{0};
            if (device_strips_) pkt.set_vlan(tci, tci != 0);
            length -= offloads_.apply(pkt);
        }
        ++packets;
        bytes += length;
        list.link(&pkt, &pkt, 1);
    }
    ibv_end_poll(cq);
    if (result != ENOENT) [[unlikely]]
        completions_.fail(result);
    packets_received_.add(packets);
    bytes_received_.add(bytes);
    return got;
}

/// A failed completion. A flushed packet carries no news of its own: it waits for recover().
void RecvSide::failed(RecvList& list, RecvPkt& pkt, ibv_wc_status status) noexcept {
    status_.in_error = true;  // a receive error takes the queue pair to the error state
    errors_[status].add(1);
    pkt.set_result(0, status, 0, 0);
    pkt.timestamp_ = 0;
    if (finishes_) pkt.set_vlan(0, false);
    if (status == IBV_WC_WR_FLUSH_ERR)
        pool_.add({&pkt, &pkt, 1});
    else
        list.link(&pkt, &pkt, 1);
}

RecvList RecvSide::poll(std::uint32_t most) noexcept {
    RecvList list;
    list.queue_ = &queue_;
    std::uint32_t taken = 0;
    while (taken < most) {
        const std::uint32_t want = std::min(most - taken, poll_batch);
        const std::uint32_t got = completions_.extended() ? poll_extended(list, want) : poll_plain(list, want);
        taken += got;
        if (got < want) break;
    }
    if (taken != 0) {
        if (posted_.fetch_sub(taken, std::memory_order_relaxed) == taken) starvations_.add(1);
        largest_batch_.raise_to(list.size_);
    }
    if (list.head_) [[likely]] {
        list.tail_->set_next(nullptr);
        list.outcome_ = Outcome::packets;
    } else if (completions_.error() != 0) {
        list.outcome_ = Outcome::device_error;
    } else if (status_.in_error) {
        list.outcome_ = Outcome::queue_error;
    } else if (pool_.size() != 0) [[unlikely]] {
        post_pending();  // there may be no list left whose release would do it
    }
    return list;
}

RecvList RecvSide::next_list() noexcept {
    if (!saved_.empty()) [[unlikely]] {
        RecvList list = saved_.pop_front();
        while (!saved_.empty() && list.size() < max_batch_) list.append(saved_.pop_front());
        return list;
    }
    const std::uint32_t posted = posted_.load(std::memory_order_relaxed);
    return poll(default_batch_ ? std::max(posted / 2, 1U) : max_batch_);
}

std::size_t RecvSide::give_back(RecvPkt* first, RecvPkt* last, std::uint32_t count) noexcept {
    ReturnGate::Visit visit{status_.returns};
    if (visit.is_late()) [[unlikely]] {
        visit.count_late(count);  // which may be the end of *this
        return 0;
    }
    if (holds_returns_.load()) [[unlikely]] {
        pool_.add({first, last, count});  // what is posted to a queue pair that is being reset, is lost
        return 0;
    }
    const std::size_t posted = post({first, last, count});
    // Flushed packets are in the pool, too: they wait for recover().
    const bool refused_before = posted == count && pool_.size() != 0;
    if (refused_before && !status_.in_error) [[unlikely]]
        return posted + post_pending().posted;
    return posted;
}

/// Posts a chain; what the device refuses goes to the pool.
std::size_t RecvSide::post(const Chain& chain) noexcept {
    chain.last->set_next(nullptr);
    // Before posting: the receiver may take them off again at once.
    posted_.fetch_add(chain.count, std::memory_order_relaxed);
    ibv_recv_wr* bad = nullptr;
    ibv_recv_wr* const first = &chain.first->wr_;
    const int result = wq_ ? ibv_post_wq_recv(wq_, first, &bad) : ibv_post_recv(qp_, first, &bad);
    if (result == 0) [[likely]]
        return chain.count;
    auto* const refused = bad ? reinterpret_cast<RecvPkt*>(bad) : chain.first;  // some drivers don't say which
    std::uint32_t left = 0;
    for (const RecvPkt* pkt = refused; pkt; pkt = pkt->next()) ++left;
    posted_.fetch_sub(left, std::memory_order_relaxed);
    refused_.fetch_add(left, std::memory_order_relaxed);
    post_error_.store(verbs::errno_of(result), std::memory_order_relaxed);
    pool_.add({refused, chain.last, left});
    return chain.count - left;
}

RecvSide::Posted RecvSide::post_pending() noexcept {
    const Chain chain = pool_.take_all();
    if (!chain.first) return {};
    return {.posted = post(chain), .offered = chain.count};
}

void RecvSide::post_all(const verbs::Port& port) {
    const auto [posted, offered] = post_pending();
    if (posted != offered)
        verbs::throw_error(post_error_.load(), port.action("post_recv", fmt::format("post {} of {} receive packets",
                                                                                    offered - posted, offered)));
}

void RecvSide::hold_returns(bool on) noexcept {
    // Sequentially consistent, as in ReturnGate: a thread that returns packets either sees this, or is waited for.
    holds_returns_.store(on);
    status_.returns.wait();
}

bool RecvSide::collect() noexcept {
    if (completions_) saved_.append(poll(packets_));
    return posted_ == 0;
}

void RecvSide::read(Stats& stats) const noexcept {
    stats.recv_packets = packets_received_.value();
    stats.recv_bytes = bytes_received_.value();
    for (std::size_t i = 0; i < stats.recv_errors.size(); ++i) stats.recv_errors[i] = errors_[i].value();
    stats.empty_wakeups = empty_wakeups_.value();
    stats.starvations = starvations_.value();
    stats.refused_posts += refused_;
    stats.largest_batch = static_cast<std::uint32_t>(largest_batch_.value());
    stats.posted_now = posted_;
}

}  // namespace pktverbs
