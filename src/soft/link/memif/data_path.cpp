// SPDX-License-Identifier: Apache-2.0
#include "soft/link/memif/data_path.hpp"

#include <sys/epoll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>
#include <utility>

#include "base/epoll.hpp"
#include "soft/link/memif/refusal.hpp"

namespace pktverbs::soft::memif {

DataPath::DataPath(std::uint32_t max_frame, const EventFd& wake)
    : wake_{wake}, room_for_frames_(batch * 2048 + max_frame), receive_fd_{epoll_create1(EPOLL_CLOEXEC)} {
    if (!receive_fd_ || !room_ || !nudge_ ||
        control_epoll(receive_fd_.get(), EPOLL_CTL_ADD, nudge_.get(), EPOLLIN) != 0)
        throw std::system_error{errno, std::generic_category(), "cannot make descriptors for memif"};
    queues_.reserve(64);
}

void DataPath::attach(Sink& sink) noexcept {
    const std::lock_guard lock{receive_mutex_};
    sink_ = &sink;
}

void DataPath::detach() noexcept {
    const std::lock_guard lock{receive_mutex_};
    sink_ = nullptr;
}

/// More queues than there is room for share the first ring.
std::size_t DataPath::ring_of(const void* queue) noexcept {
    const std::size_t rings = sending_->send_rings().size();
    if (rings == 1) return 0;
    auto found = std::ranges::find(queues_, queue);
    if (found == queues_.end()) {
        if (queues_.size() == queues_.capacity()) return 0;
        queues_.push_back(queue);
        found = queues_.end() - 1;
    }
    return static_cast<std::size_t>(found - queues_.begin()) % rings;
}

std::size_t DataPath::send(std::span<const TxFrame> frames) noexcept {
    const std::lock_guard lock{send_mutex_};
    std::size_t taken = 0;
    while (sending_ && taken < frames.size()) {
        const void* const queue = frames[taken].queue;
        auto run = frames.subspan(taken);
        const auto rings = sending_->send_rings();
        if (rings.size() != 1) {
            const auto other =
                std::ranges::find_if(run, [queue](const TxFrame& frame) { return frame.queue != queue; });
            run = run.first(static_cast<std::size_t>(other - run.begin()));
        }
        SendRing& ring = rings[ring_of(queue)];
        const std::uint64_t lost = ring.lost();
        const std::size_t sent = ring.send(run);
        if (ring.lost() != lost) unsent_.fetch_add(ring.lost() - lost, std::memory_order_relaxed);
        taken += sent;
        if (sent == run.size()) continue;
        if (!ring.fault()) {
            stall();
            return taken;
        }
        wake_.set();
        break;
    }
    // Like a NIC without a carrier.
    if (taken < frames.size()) unsent_.fetch_add(frames.size() - taken, std::memory_order_relaxed);
    return frames.size();
}

void DataPath::set_room(bool room) noexcept {
    if (stalled_.exchange(!room, std::memory_order_relaxed) != room) return;
    if (room) return room_.clear();
    const std::uint64_t most = UINT64_MAX - 1;  // of an eventfd, which is writable below that
    [[maybe_unused]] const auto put = ::write(room_.get(), &most, sizeof most);
}

void DataPath::stall() noexcept {
    if (is_stalled()) return;
    set_room(false);
    wake_.set();
}

void DataPath::relieve() noexcept {
    const std::lock_guard lock{send_mutex_};
    if (!is_stalled()) return;
    const auto rings = sending_ ? sending_->send_rings() : std::span<SendRing>{};
    // A ring that send() has served since then wants nothing.
    const bool any_stalled = std::ranges::any_of(rings, &SendRing::is_stalled);
    const bool any_room =
        std::ranges::any_of(rings, [](SendRing& ring) { return ring.has_wanted_room() || ring.fault(); });
    if (!any_stalled || any_room) set_room(true);
}

void DataPath::receive(std::size_t most) noexcept {
    const std::lock_guard lock{receive_mutex_};
    if (!sink_ || take(most) != 0) return;
    if (!waited_.load(std::memory_order_relaxed)) return;
    // First the events, then the frames: one that comes in between makes the descriptor readable again.
    waited_.store(false, std::memory_order_relaxed);
    clear_events();
    take(most);
}

std::size_t DataPath::take(std::size_t most) noexcept {
    std::size_t all = 0;
    for (std::size_t i = 0; i < received_.size() && all < most;) {
        Connection& connection = *received_[i].connection;
        if (!connection.has_frames() && !received_[i].ended) {
            ++i;
            continue;
        }
        const std::size_t taken =
            connection.take(std::span{frames_}.first(std::min(most - all, batch)), room_for_frames_);
        if (taken != 0) {
            sink_->deliver(std::span{frames_}.first(taken));
            connection.release();
            all += taken;
            continue;
        }
        if (received_[i].ended) [[unlikely]] {
            forget(connection);
            received_.erase(received_.begin() + static_cast<std::ptrdiff_t>(i));
            continue;
        }
        for (const auto& ring : connection.receive_rings())
            if (ring->fault()) [[unlikely]]
                wake_.set();
        ++i;
    }
    return all;
}

/// Peers' eventfds are watched for edges and never read: a read would wait where the peer has made them blocking.
void DataPath::clear_events() noexcept {
    constexpr int max_rounds = 8;  // enough for all rings; a peer that never stops makes the descriptor readable again
    nudge_.clear();
    std::array<epoll_event, 64> edges;
    const int most = static_cast<int>(edges.size());
    for (int round = 0, got = most; got == most && round < max_rounds; ++round)
        got = epoll_wait(receive_fd_.get(), edges.data(), most, 0);
}

void DataPath::forget(Connection& connection) noexcept {
    lost_ += connection.lost();
    unwatch_events(connection);
    const std::lock_guard lock{watch_mutex_};
    std::erase_if(watched_, [&](const auto& one) { return one.get() == &connection; });
}

void DataPath::watched(bool on) noexcept {
    const std::lock_guard lock{watch_mutex_};
    watchers_ += on ? 1 : -1;
    if (watchers_ != (on ? 1 : 0)) {
        // Others wait, too. Frames that are there already must wake this one.
        if (on && std::ranges::any_of(watched_, [](const auto& one) { return one->has_frames(); })) nudge_.set();
        return;
    }
    for (const auto& connection : watched_) {
        connection->want_events(on);
        if (on && connection->has_frames()) nudge_.set();
    }
}

/// All or none of its eventfds.
void DataPath::watch_events(const Connection& connection) {
    for (const auto& ring : connection.receive_rings()) {
        if (control_epoll(receive_fd_.get(), EPOLL_CTL_ADD, ring->event_fd(), EPOLLIN | EPOLLET) == 0) continue;
        unwatch_events(connection);
        throw Refusal{"a ring's eventfd can't be waited for"};
    }
}

/// The peer has them open, too: closing ours does not take them out of the epoll instance.
void DataPath::unwatch_events(const Connection& connection) noexcept {
    for (const auto& ring : connection.receive_rings())
        epoll_ctl(receive_fd_.get(), EPOLL_CTL_DEL, ring->event_fd(), nullptr);
}

void DataPath::make_place() {
    received_.reserve(max_ended + 1);
    {
        const std::lock_guard lock{watch_mutex_};
        watched_.reserve(max_ended + 1);
    }
    if (received_.size() < max_ended) return;
    Connection& oldest = *received_.front().connection;
    while (const std::size_t dropped = oldest.take(frames_, room_for_frames_)) {
        oldest.release();
        lost_ += dropped;
    }
    forget(oldest);
    received_.erase(received_.begin());
}

void DataPath::connect(std::unique_ptr<Connection> made) {
    const std::shared_ptr<Connection> connection{std::move(made)};
    {
        const std::lock_guard lock{receive_mutex_};
        make_place();
        watch_events(*connection);
        connection->start();
        received_.push_back({connection});
        const std::lock_guard watching{watch_mutex_};
        watched_.push_back(connection);
        if (watchers_ > 0) connection->want_events(true);
    }
    const std::lock_guard lock{send_mutex_};
    sending_ = connection;
}

void DataPath::disconnect() noexcept {
    {
        const std::lock_guard lock{send_mutex_};
        if (!sending_) return;
        unsent_.fetch_add(sending_->count_left_over(), std::memory_order_relaxed);
        sending_.reset();
        set_room(true);
    }
    const std::lock_guard lock{receive_mutex_};
    received_.back().connection->freeze();
    received_.back().ended = true;
    nudge_.set();
}

const char* DataPath::fault() noexcept {
    {
        const std::lock_guard lock{send_mutex_};
        if (!sending_) return nullptr;
        for (const SendRing& ring : sending_->send_rings())
            if (ring.fault()) return ring.fault();
    }
    const std::lock_guard lock{receive_mutex_};
    for (const auto& ring : received_.back().connection->receive_rings())
        if (ring->fault()) return ring->fault();
    return nullptr;
}

std::uint64_t DataPath::lost() noexcept {
    const std::lock_guard lock{receive_mutex_};
    std::uint64_t frames = lost_;
    for (const Received& received : received_) frames += received.connection->lost();
    return frames;
}

}  // namespace pktverbs::soft::memif
