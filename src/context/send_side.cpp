// SPDX-License-Identifier: Apache-2.0
#include "context/send_side.hpp"

#include <poll.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "base/deadline.hpp"
#include "context/queue_setup.hpp"
#include "context/stop_wake.hpp"
#include "net/frame_sizes.hpp"

namespace pktverbs {

SendSide::SendSide(const QueueSetup& setup, QueueStatus& status, Queue& queue)
    : status_{status},
      queue_{queue},
      events_{setup.events},
      completions_{setup.port.provider},
      readiness_{setup.events},
      strategy_{setup.options.wait, setup.options.spin},
      min_bytes_{setup.is_datagram() ? 0 : ethernet_bytes},
      needs_peer_{setup.is_datagram()} {
    if (!wake_) verbs::throw_error(errno, setup.port.action("eventfd", "make an eventfd for"));
}

void SendSide::open(const QueueSetup& setup, std::uint32_t count) {
    packets_ = count;
    if (count == 0) return;
    completions_.open_channel(setup.port);
    readiness_.open(wake_);
    readiness_.add(completions_.fd(), 0);
    offloads_ = SendOffloads{setup.port, setup.offloads, QueueSetup::chunks(setup.options.send_layout), count,
                             setup.max_work_requests};
    completions_.open(setup.port, count + offloads_.extra_work_requests(), 0, "create a send completion queue");
    pool_.open(setup, count);
}

void SendSide::close() noexcept {
    qp_ = nullptr;
    pool_.deregister();
    offloads_ = {};
    completions_.close();
    readiness_.close();
    completions_.close_channel();
}

void SendSide::cancel(SendPkt* first, SendPkt* last, std::uint32_t count) noexcept {
    ReturnGate::Visit visit{status_.returns};
    if (visit.is_late()) [[unlikely]] {
        visit.count_late(count);  // which may be the end of *this
        return;
    }
    const ThreadCheckScope scope{thread_check_};
    pool_.put({first, last, count});
}

/// Everything posted up to `newest` is complete: send queues complete in order, and unsignalled packets with the next
/// signalled one.
void SendSide::retire(SendPkt& newest, bool ok) noexcept {
    const std::uint32_t count = newest.sequence_ - oldest_in_flight_->sequence_ + 1;
    const std::uint64_t bytes = newest.bytes_until_ - bytes_retired_;
    bytes_retired_ = newest.bytes_until_;
    packets_sent_.add(ok ? count : count - 1);
    bytes_sent_.add(ok ? bytes : bytes - newest.length_);
    if (offloads_.has_entries()) [[unlikely]]
        offloads_.free_until(newest.entries_until_);
    SendPkt* const first = oldest_in_flight_;
    oldest_in_flight_ = &newest == newest_in_flight_ ? nullptr : newest.next();
    if (!oldest_in_flight_) newest_in_flight_ = nullptr;
    in_flight_.store(in_flight_.load(std::memory_order_relaxed) - count, std::memory_order_relaxed);
    pool_.put({first, &newest, count});
}

/// Whether any packet in flight was posted signalled. Those behind the last signalled one report nothing: there are
/// some only if the device took the start of a list and refused its end.
bool SendSide::completion_due() const noexcept {
    for (const SendPkt* pkt = oldest_in_flight_; pkt; pkt = pkt->next())
        if ((pkt->wr_.send_flags & IBV_SEND_SIGNALED) != 0) return true;
    return false;
}

void SendSide::reclaim() noexcept {
    if (!completions_) return;
    std::array<ibv_wc, poll_batch> wcs;
    for (;;) {
        const int got = ibv_poll_cq(completions_.queue(), static_cast<int>(wcs.size()), wcs.data());
        if (got < 0) [[unlikely]]
            completions_.fail(got);
        for (int i = 0; i < got; ++i) {
            const ibv_wc& wc = wcs[static_cast<std::size_t>(i)];
            if (SendOffloads::is_part(wc.wr_id)) [[unlikely]] {
                status_.in_error = true;
                continue;
            }
            const bool ok = wc.status == IBV_WC_SUCCESS;
            if (!ok) [[unlikely]] {
                errors_[wc.status].add(1);
                status_.in_error = true;
            }
            retire(*reinterpret_cast<SendPkt*>(wc.wr_id), ok);
        }
        if (got < static_cast<int>(wcs.size())) return;
    }
}

bool SendSide::collect() noexcept {
    reclaim();
    return !completion_due();
}

void SendSide::forget_in_flight() noexcept {
    if (newest_in_flight_) retire(*newest_in_flight_, true);  // sent, but without a completion of its own
    offloads_.free_until(offloads_.used());
}

SendList SendSide::acquire(std::size_t count) noexcept {
    const ThreadCheckScope scope{thread_check_};
    // Also when there are enough: what was sent last is the best to use next, as its buffer is in the cache.
    if (in_flight_.load(std::memory_order_relaxed) != 0) reclaim();
    SendList list;
    list.queue_ = &queue_;
    while (!pool_.empty() && list.size_ < count) {
        const SendPool::Chain chain = pool_.take(count - list.size_);
        list.link(chain.first, chain.last, chain.count);
    }
    if (list.head_)
        list.tail_->set_next(nullptr);
    else if (count != 0)
        events_.polled_in_vain(empty_acquires_);  // a device that has failed completes nothing
    return list;
}

/// Waits until `done`, which collects completions, or the timeout, or stop.
template <class Done>
bool SendSide::wait(std::chrono::nanoseconds timeout, const std::stop_token& stop, Done done) noexcept {
    if (done()) return true;
    if (timeout <= std::chrono::nanoseconds::zero() || !completions_) return false;
    const Deadline deadline{timeout};
    const auto give_up = [&] {
        return completions_.error() != 0 || !completion_due() || stop.stop_requested() || deadline.passed();
    };
    const Deadline spin_end = strategy_.spin_end();
    for (unsigned polls = 1; strategy_.spins() && !spin_end.passed(); ++polls) {
        if (done()) return true;
        if (give_up()) return false;
        if (polls % DeviceEvents::polls_per_look == 0) events_.look();
    }
    const StopWake stop_wake{stop, wake_};
    for (;;) {
        completions_.request_event();
        if (done()) return true;
        if (give_up()) return false;
        timespec left;
        std::array<pollfd, 3> fds{
            {{completions_.fd(), POLLIN, 0}, {wake_.get(), POLLIN, 0}, {events_.fd(), POLLIN, 0}}};
        const int ready = ppoll(fds.data(), fds.size(), deadline.left(left), nullptr);
        if (ready < 0 && errno != EINTR) completions_.set_error(errno);
        if (ready <= 0) continue;
        if (fds[1].revents != 0) wake_.clear();
        if (fds[2].revents != 0) events_.take();
        if (fds[0].revents != 0) completions_.take_events();
    }
}

SendList SendSide::acquire(std::size_t count, std::chrono::nanoseconds timeout, const std::stop_token& stop) noexcept {
    const std::size_t enough = std::min<std::size_t>(count, packets_);
    {
        const ThreadCheckScope scope{thread_check_};
        wait(timeout, stop, [&] {
            if (pool_.size() < enough) reclaim();
            return pool_.size() >= enough;
        });
    }
    return acquire(count);
}

bool SendSide::flush(std::chrono::nanoseconds timeout, const std::stop_token& stop) noexcept {
    const ThreadCheckScope scope{thread_check_};
    return wait(timeout, stop, [&] {
        reclaim();
        return in_flight_.load(std::memory_order_relaxed) == 0;
    });
}

bool SendSide::arm() noexcept {
    const ThreadCheckScope scope{thread_check_};
    if (!completions_) return false;
    completions_.request_event();
    // Armed first, polled after: what is due now makes an event, or it is seen by the caller's next call.
    reclaim();
    return completions_.error() == 0 && completion_due();
}

void SendSide::drain() noexcept {
    const ThreadCheckScope scope{thread_check_};
    if (readiness_) readiness_.drain([this](std::uint32_t) { completions_.take_events(); });
}

/// What only some packets need: an address, and work requests that are what the packet asks for.
int SendSide::shape(SendPkt& pkt, Shaped& its) noexcept {
    if (needs_peer_ && !pkt.wr_.wr.ud.ah) return EDESTADDRREQ;
    if (pkt.asks() != 0) {
        int error = offloads_.shape(pkt, its.flags, its.first);
        if (error == ENOBUFS) {
            reclaim();
            error = offloads_.shape(pkt, its.flags, its.first);
        }
        if (error != 0) return error;
    }
    if (offloads_.has_entries()) pkt.entries_until_ = offloads_.used();
    return 0;
}

void SendSide::send(SendList& packets) noexcept {
    const ThreadCheckScope scope{thread_check_};
    packets.error_ = 0;
    if (packets.empty()) return;
    if (packets.queue_ != &queue_) [[unlikely]] {
        packets.error_ = EINVAL;
        return;
    }
    // In error it would all be flushed; and a device that has failed, or won't complete, is given nothing more.
    packets.error_ = status_.in_error.load(std::memory_order_relaxed) ? EIO : completions_.error();
    if (packets.error_ != 0) [[unlikely]]
        return;

    // Where the work requests begin: those of a packet may begin with others than its own.
    ibv_send_wr* begin = &packets.head_->wr_;
    bool shaped = false;
    const std::uint32_t entries_before = offloads_.used();
    // One pass over the list writes what differs from packet to packet.
    const bool is_special = needs_peer_ || offloads_.has_entries();
    const std::uint32_t min_bytes = min_bytes_;
    const std::uint32_t max_inline = max_inline_;
    const std::uint32_t first_sequence = next_sequence_;
    std::uint64_t bytes_posted = bytes_posted_;
    std::uint32_t count = 0;
    std::uint32_t until_signal = signal_every_;
    SendPkt* last = nullptr;
    SendPkt* refused = packets.head_;
    for (; refused; refused = refused->next()) {
        SendPkt& pkt = *refused;
        if (pkt.length_ < min_bytes) [[unlikely]] {
            packets.error_ = EMSGSIZE;
            break;
        }
        unsigned flags = pkt.length_ <= max_inline ? IBV_SEND_INLINE : 0;
        if ((pkt.asks() | unsigned{is_special}) != 0) [[unlikely]] {
            Shaped its{.flags = flags};
            packets.error_ = shape(pkt, its);
            if (packets.error_ != 0) break;
            flags = its.flags;
            if (its.first) {
                (last ? last->wr_.next : begin) = its.first;
                shaped = true;
            }
        }
        pkt.sequence_ = first_sequence + count;
        bytes_posted += pkt.length_;
        pkt.bytes_until_ = bytes_posted;
        if (--until_signal == 0) {
            flags |= IBV_SEND_SIGNALED;
            until_signal = signal_every_;
        }
        pkt.wr_.send_flags = flags;
        last = &pkt;
        ++count;
    }
    bytes_posted_ = bytes_posted;
    if (count == 0) return;
    last->wr_.send_flags |= IBV_SEND_SIGNALED;  // so that the end of a stream is known to be sent
    last->set_next(nullptr);

    SendPkt* const first = packets.head_;
    ibv_send_wr* bad = nullptr;
    const int result = ibv_post_send(qp_, begin, &bad);
    if (shaped) [[unlikely]]
        offloads_.unshape(begin);
    if (result != 0) [[unlikely]] {
        const std::uint32_t offered = count;
        // The rest, if there is one, goes behind what the device refused.
        last->set_next(refused);
        refused = bad ? SendOffloads::packet_of(bad) : first;  // some drivers don't say which: then none was taken
        packets.error_ = verbs::errno_of(result);
        count = refused->sequence_ - first->sequence_;
        refused_.add(offered - count);
        bytes_posted_ = refused->bytes_until_ - refused->length_;
        last = first;
        for (std::uint32_t i = 1; i < count; ++i) last = last->next();
        if (count != 0) last->set_next(nullptr);
        if (offloads_.has_entries())
            offloads_.take_back(bad, *refused, count != 0 ? last->entries_until_ : entries_before);
    }
    if (count != 0) {
        if (newest_in_flight_)
            newest_in_flight_->set_next(first);
        else
            oldest_in_flight_ = first;
        newest_in_flight_ = last;
        next_sequence_ += count;
        in_flight_.store(in_flight_.load(std::memory_order_relaxed) + count, std::memory_order_relaxed);
    }
    packets.head_ = refused;
    packets.size_ -= count;
    if (!refused) [[likely]]
        packets.tail_ = nullptr;
}

void SendSide::read(Stats& stats) const noexcept {
    stats.sent_packets = packets_sent_.value();
    stats.sent_bytes = bytes_sent_.value();
    for (std::size_t i = 0; i < stats.send_errors.size(); ++i) stats.send_errors[i] = errors_[i].value();
    stats.refused_posts += refused_.value();
    stats.in_flight = in_flight_;
}

}  // namespace pktverbs
