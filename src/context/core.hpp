// SPDX-License-Identifier: Apache-2.0
// Core: what a Context owns; it stays until the last packet list has ended.
#pragma once

#include <poll.h>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <vector>

#include <pktverbs/flow.hpp>
#include <pktverbs/options.hpp>
#include <pktverbs/queue.hpp>
#include <pktverbs/verbs/device.hpp>
#include <pktverbs/verbs/error.hpp>
#include <pktverbs/verbs/handle.hpp>

#include "base/file_descriptor.hpp"
#include "context/event_log.hpp"
#include "counters/interface_counters.hpp"
#include "interface/interface.hpp"
#include "offload/granted_offloads.hpp"
#include "verbs/port.hpp"

namespace pktverbs {

class Datagrams;
class FlowRegistry;
class Readiness;
class RegionTable;
class RssGroups;

class Core {
public:
    Core(Device device_opened, const Options& options);
    ~Core();
    Core(const Core&) = delete;
    Core& operator=(const Core&) = delete;

    /// The deleter of a Context's core: closes it, and deletes it now or when the last held packet comes back.
    static void release(Core* core) noexcept;
    /// After that, or meanwhile: `count` packets of lists have come back.
    void packets_returned(std::uint32_t count) noexcept;

    /// Takes everything down but the packets' memory, once no thread is giving back packets. Twice is harmless.
    void close() noexcept;
    /// Takes the device's asynchronous events, marks the queues that they are about, and wakes all waiters. Rules for
    /// the port's own address follow that.
    void take_device_events() noexcept;
    /// The same, if there are any: for those who poll and never wait for the descriptor.
    void look_for_device_events() noexcept;
    /// Until there is an event, `timeout` has passed, or `stop` is requested. Any thread.
    std::optional<verbs::AsyncEvent> wait_event(std::chrono::nanoseconds timeout, const std::stop_token& stop) noexcept;
    /// How often who only polls is to call it: it is a system call, about once in a millisecond.
    static constexpr unsigned polls_per_look = 1U << 16;
    /// A call that doesn't wait found nothing; `count` is the calling thread's.
    void polled_in_vain(unsigned& count) noexcept {
        if (++count % polls_per_look == 0) [[unlikely]]
            look_for_device_events();
    }
    std::uint32_t held() const noexcept;

    /// Waits until one of `queues` has packets or news, looking at them in turn from number `next`, which moves on.
    /// `fds` has room for two more than there are queues; `wake` is an eventfd of the caller's.
    static RecvList wait(std::span<Queue* const> queues, std::size_t& next, std::span<pollfd> fds, int wake,
                         std::chrono::nanoseconds timeout, const std::stop_token& stop) noexcept;

    /// Receives from whichever queue has packets, each in its turn.
    RecvList recv(std::chrono::nanoseconds timeout, const std::stop_token& stop) noexcept;

    verbs::Port port() const noexcept { return {*device.provider, device.name, context.get(), pd.get()}; }
    verbs::Action action(std::string_view verb, std::string_view what) const noexcept {
        return {verb, what, device.name};
    }

    const Device device;
    const InterfaceCounters interface_counters;
    Limits limits;
    GrantedOffloads offloads;
    verbs::ContextHandle context;
    verbs::PdHandle pd;
    std::unique_ptr<RegionTable> regions;
    std::shared_ptr<FlowRegistry> flows;
    std::unique_ptr<Datagrams> datagrams;  ///< none for raw packets
    std::vector<std::unique_ptr<Queue>> queues;
    std::vector<Queue*> queue_pointers;
    std::unique_ptr<RssGroups> rss;  ///< none if each rule is for one queue
    std::vector<std::size_t> all_queues;

    EventLog events;                       ///< that take_device_events() took
    std::atomic<bool> device_gone{false};  ///< it has no more events, and its descriptor stays readable

    std::mutex slots_mutex;
    struct Slot {
        std::vector<std::size_t> queues;
        Flow flow;
    };
    std::map<std::size_t, Slot> slots;

    FileDescriptor wake_fd;                ///< for stop requests to a recv over all queues
    std::unique_ptr<Readiness> all_ready;  ///< of all queues, with `wake_fd`; none for a single queue
    std::vector<pollfd> pollfds;
    std::size_t next_queue = 0;
    unsigned polls_in_vain = 0;

    /// The queues that a queue pair receives for.
    std::vector<std::size_t> queues_of(const ibv_qp* queue_pair) const;
    /// The port's address as it is now; all zero if it isn't known.
    MacAddress mac() const noexcept;
    /// As it is now, in bytes; 0 if it isn't known.
    std::uint32_t mtu() const noexcept;
    /// The device's drops since this context was opened: hardware counts since its driver was loaded.
    verbs::DeviceDrops drops() const;

private:
    explicit Core(Device device_opened);

    verbs::DeviceDrops drops_before_;
    std::atomic<std::uint32_t> held_after_close_{0};  ///< less what came back before it was set
};

}  // namespace pktverbs
