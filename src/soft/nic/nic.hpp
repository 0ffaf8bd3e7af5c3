// SPDX-License-Identifier: Apache-2.0
// Nic: an opened soft device: its ibv_context, its link, its steering and its counters.
#pragma once

#include <infiniband/verbs.h>
#include <sys/epoll.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

#include <pktverbs/verbs/device.hpp>

#include "base/counter.hpp"
#include "base/event_fd.hpp"
#include "base/file_descriptor.hpp"
#include "base/quick_mutex.hpp"
#include "soft/link/link.hpp"
#include "soft/nic/async_events.hpp"
#include "soft/nic/memory_regions.hpp"
#include "soft/nic/object_table.hpp"
#include "soft/steering/flow_table.hpp"

namespace pktverbs::soft {

class CompletionChannel;
class CompletionQueue;
class QueuePair;

/// Has no thread: frames are sent in post_send, and received in any call that lets the link deliver: poll_cq and
/// get_cq_event here, or a post_send at the other end of a wire.
class Nic final : public verbs_context, public Sink {
public:
    /// Throws std::system_error.
    Nic(ibv_device* opened, std::unique_ptr<Link> link);
    ~Nic();
    Nic(const Nic&) = delete;
    Nic& operator=(const Nic&) = delete;

    static Nic& of(ibv_context* context) noexcept { return *static_cast<Nic*>(verbs_get_ctx(context)); }
    ibv_context* context_base() noexcept { return &context; }

    Link& link() noexcept { return *link_; }
    /// The same, read again now, for query verbs.
    Link& link_now() noexcept {
        link_->take_news();
        return *link_;
    }
    MemoryRegions& regions() noexcept { return regions_; }
    ObjectTable& objects() noexcept { return objects_; }
    std::uint32_t max_frame() const noexcept;

    /// Whether work() might find something: cheap enough for every empty poll.
    bool has_work() const noexcept { return link_->wants_receive() || sends_pending_.load(std::memory_order_relaxed); }
    /// Sends held-up frames, and takes those that have arrived.
    void work() noexcept;

    /// Hands frames to the link, in order; returns how many it took.
    std::size_t transmit(std::span<const TxFrame> frames) noexcept;
    /// The same with requests: those of the batch that are simple. Returns how many were sent.
    std::uint32_t transmit(PlainSends& sends) noexcept;
    /// The link did not take all frames, or waiting sends are to be flushed: resume_sending() is called when possible.
    void sending_stalled() noexcept;

    /// For a context that is closed while objects are left: they stay, but no longer receive.
    void abandon() noexcept { link_->detach(); }

    void deliver(std::span<const RxFrame> frames) noexcept override;
    std::uint32_t deliver_sent(PlainSends& sends) noexcept override;
    std::size_t offer(std::span<const RxFrame> frames) noexcept override;
    void link_changed(bool up) noexcept override;
    void mtu_changed() noexcept override;
    void addresses_changed() noexcept override;
    void removed() noexcept override;
    /// Held while frames are delivered, and while their destinations change.
    QuickMutex& receive_mutex() noexcept { return receive_mutex_; }

    /// The underlying interface was removed: from now on no sends are posted, and no queue is brought to a working
    /// state.
    bool is_gone() const noexcept { return gone_.load(std::memory_order_relaxed); }

    /// An event of the port or the device.
    void raise(const ibv_async_event& event) noexcept;
    /// An event of an object, which has room for it.
    void raise(PendingEvent& event) noexcept;
    int get_async_event(ibv_async_event* event) noexcept;
    /// Drops the events of a completion queue that is being destroyed. Returns how many were given out.
    std::uint32_t forget_events(CompletionQueue& queue) noexcept;

    /// Null and errno, or throws std::bad_alloc.
    ibv_flow* create_flow(QueuePair& queue_pair, const ibv_flow_attr& attr);
    int destroy_flow(ibv_flow* flow) noexcept;

    void add_channel(CompletionChannel& channel);
    void remove_channel(CompletionChannel& channel) noexcept;
    /// Receives and sends that began before this call are over when it returns.
    void quiesce() noexcept;
    void count_timestamp_users(int change) noexcept { timestamp_users_ += change; }
    /// CLOCK_REALTIME in nanoseconds, or 0 if no completion queue asks for timestamps.
    std::uint64_t timestamp() const noexcept;
    /// The clock of timestamps.
    static std::uint64_t now() noexcept;

    verbs::DeviceDrops drops() const noexcept;

private:
    template <class Source, bool can_wait>
    class Arrivals;
    bool has_room(const FrameKey& key) noexcept;
    void count_dropped(Verdict verdict, const FrameKey& key) noexcept;
    int apply_flows() noexcept;
    void reapply_flows() noexcept;
    void make_async_fd();
    void raise_of_port(ibv_event_type type) noexcept;
    bool pop(ibv_async_event* event) noexcept;

    std::unique_ptr<Link> link_;
    EventFd event_;
    FileDescriptor async_fd_{epoll_create1(EPOLL_CLOEXEC)};
    const bool verify_checksums_;
    MemoryRegions regions_;
    ObjectTable objects_;

    std::mutex channels_mutex_;
    std::vector<CompletionChannel*> channels_;

    QuickMutex transmit_mutex_;
    std::atomic<bool> sends_pending_{false};
    std::atomic<bool> working_{false};  ///< in work(): other threads don't wait for it

    QuickMutex receive_mutex_;
    FlowTable flows_;
    std::vector<std::uint8_t> private_copy_;   ///< of a frame with a head; links with such frames keep their MTU
    std::atomic<bool> flows_outdated_{false};  ///< the link has other flows, and refused these
    std::atomic<int> timestamp_users_{0};
    Counter out_of_buffer_;
    Counter unmatched_;
    Counter fragments_;
    Counter by_rule_;
    Counter not_ready_;
    Counter oversize_;

    std::mutex events_mutex_;
    AsyncEvents events_;
    std::atomic<bool> gone_{false};
};

/// Fills in the function pointers through which infiniband/verbs.h reaches a device.
void install_verbs(Nic& nic) noexcept;
/// Null if the context is no soft device's, or null.
Nic* find_nic(const ibv_context* context) noexcept;

}  // namespace pktverbs::soft
