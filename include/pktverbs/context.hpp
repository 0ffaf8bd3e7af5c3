// SPDX-License-Identifier: Apache-2.0
// Context: a device opened for raw packets or datagrams, with its queues, packets, flows and peers.
#pragma once

#include <infiniband/verbs.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string_view>
#include <utility>

#include <pktverbs/address/mac_address.hpp>
#include <pktverbs/counters/stats.hpp>
#include <pktverbs/export.hpp>
#include <pktverbs/flow.hpp>
#include <pktverbs/flow_rule.hpp>
#include <pktverbs/memory/region.hpp>
#include <pktverbs/options.hpp>
#include <pktverbs/queue.hpp>
#include <pktverbs/recv_list.hpp>
#include <pktverbs/send_list.hpp>
#include <pktverbs/verbs/device.hpp>
#include <pktverbs/verbs/local_slice.hpp>

namespace pktverbs {

class Core;
struct Counters;
class Datagrams;
namespace verbs {
struct AsyncEvent;
}
namespace async {
template <class Source>
class Recv;
}

/// Receives and sends raw Ethernet frames or datagrams through one device. It owns the device's queues and packets, and
/// removes its flows when it ends.
///
/// Move-only. Setup throws std::system_error with the errno of the verb that failed and what to do about it, and leaves
/// nothing behind. One thread receives and one sends; any thread may release lists and install flows.
class PKTVERBS_EXPORT Context {
public:
    /// Opens the device that find_device(device) finds.
    explicit Context(std::string_view device, const Options& options = {});
    explicit Context(const char* device, const Options& options = {}) : Context(std::string_view{device}, options) {}
    /// Opens a device that was found before.
    explicit Context(Device device, const Options& options = {});
    Context(Context&&) noexcept;
    Context& operator=(Context&&) noexcept;
    /// Closes the device. Packets still held in lists keep their bytes until the lists end; nothing is received or sent
    /// any more. Lists and flows may end on other threads meanwhile; no other call may be running.
    ~Context();

    /// Removes the flows and releases the device. Throws std::system_error (EBUSY), and stays open, while lists hold
    /// packets. A second close is harmless. Afterwards only close() and assignment are allowed.
    void close();

    /// Receives from any of the queues in turn. All packets of a list come from one queue. See Queue::recv.
    RecvList recv(std::chrono::nanoseconds timeout = no_timeout, std::stop_token stop = {}) noexcept;

    /// Receives in a coroutine; other coroutines run while it waits. Needs <pktverbs/async/recv.hpp>.
    async::Recv<Context> async_recv(std::chrono::nanoseconds timeout = no_timeout, std::stop_token stop = {}) noexcept;

    /// Takes free packets of the first queue to fill; see Queue::acquire. With several queues, use queue(i).
    SendList acquire(std::size_t count) noexcept;
    SendList acquire(std::size_t count, std::chrono::nanoseconds timeout, std::stop_token stop = {}) noexcept;
    /// Sends packets on the queue that they were acquired from; see Queue::send.
    SendList send(SendList packets) noexcept;
    /// Waits until no queue has a packet in flight. Returns false if `timeout` passed or `stop` was requested first.
    bool flush(std::chrono::nanoseconds timeout, std::stop_token stop = {}) noexcept;

    /// Steers matching frames to the first queue, or to all queues with Options::rss, until the Flow ends. A multicast
    /// destination address fills in the multicast MAC address and joins the group on the device's interface. Throws
    /// std::system_error: EINVAL if the rule contradicts itself, or the device's errno. A rule that fails leaves
    /// nothing behind.
    [[nodiscard]] Flow install(const FlowRule& rule);
    /// Steers matching frames to one queue.
    [[nodiscard]] Flow install(const FlowRule& rule, std::size_t queue);
    /// Steers matching frames to several queues, by the hash of Options::rss. Fails with EOPNOTSUPP for more than one
    /// queue without it. The order of the queues matters: the hash picks from them by position.
    [[nodiscard]] Flow install(const FlowRule& rule, std::span<const std::size_t> queues);
    /// Installs a rule in a numbered slot and replaces the rule that is there. If that fails, the old rule stays in
    /// force. Slots are made as they are needed. Throws like install().
    void set_flow(std::size_t slot, const FlowRule& rule);
    void set_flow(std::size_t slot, const FlowRule& rule, std::size_t queue);
    void set_flow(std::size_t slot, const FlowRule& rule, std::span<const std::size_t> queues);
    /// Removes the rule of a slot. An empty slot is no error.
    void clear_flow(std::size_t slot);

    /// Returns the endpoints, peers and multicast groups of a context with Transport::datagram; valid until the Context
    /// closes. Throws std::system_error (EOPNOTSUPP) for any other. Needs <pktverbs/datagram/datagrams.hpp>.
    Datagrams& datagrams();

    /// Registers more of the program's memory, until remove_region() or until the Context closes; earlier registrations
    /// stay valid. Returns a slice of all of it, or of its first 2^32 - 1 bytes. Throws std::system_error. No thread
    /// may call slice() during this call or remove_region().
    verbs::LocalSlice add_region(const Region& region);
    /// Undoes add_region() for exactly these bytes, which no packet may refer to any more. Does nothing if they were
    /// not added.
    void remove_region(std::span<const std::uint8_t> bytes) noexcept;
    /// Returns the registered slice that covers `bytes`, for RecvPkt::retarget() and SendPkt::attach(); nullopt if no
    /// single registration covers them. It takes the same short time for any number of regions. Any thread may call it.
    std::optional<verbs::LocalSlice> slice(std::span<const std::uint8_t> bytes) const noexcept;

    /// Returns the number of queues: Options::queues.
    std::size_t queue_count() const noexcept;
    /// Returns a queue, which stays valid until the Context closes. Throws std::system_error (EINVAL) from
    /// queue_count() on.
    Queue& queue(std::size_t index);

    /// Returns a descriptor for event loops: readable when an armed queue received, or when the device reports an
    /// event. See Queue::fd.
    int fd() const noexcept;
    /// Arms all queues; see Queue::arm.
    bool arm() noexcept;
    /// Takes the events off fd(); see Queue::drain.
    void drain() noexcept;

    /// Returns the device that was opened.
    const Device& device() const noexcept;
    /// Returns what the device granted, which may differ from what Options asked for.
    const Limits& limits() const noexcept;
    /// Returns the sum of all queues' counters, and the device's drops. Reads files for some devices, so don't call it
    /// per packet.
    Stats stats() const;
    /// Returns the counters of each queue, flow and interface, to show or to export. Throws std::system_error if the
    /// device refuses to read a flow's counters.
    Counters counters() const;
    /// Returns the oldest device event that has not been read yet: the port went down or came up, its addresses or MTU
    /// changed, or a queue or the whole device failed. Events that concern receiving or sending also make fd() readable
    /// and end waits. At most 64 are kept. Returns nullopt if there is none. Any thread may call it.
    std::optional<verbs::AsyncEvent> next_event() noexcept;
    /// Waits for a device event. Returns nullopt if `timeout` passed or `stop` was requested first, or if no descriptor
    /// is left to wait for `stop` with. A thread waiting here gets the event whichever call takes it from the device.
    /// Several threads may wait at once; each event goes to one of them.
    std::optional<verbs::AsyncEvent> wait_event(std::chrono::nanoseconds timeout = no_timeout,
                                                std::stop_token stop = {}) noexcept;

    /// Returns the port's current attributes. Throws std::system_error.
    ibv_port_attr port() const;
    /// Asks the device for the port's current MAC address; all zero if it is not known. That takes microseconds: for
    /// every packet, limits() has the one from the opening.
    MacAddress mac() const noexcept;
    /// Returns the port's current MTU in bytes, without the Ethernet header; 0 if it is not known. limits() has the one
    /// from the opening.
    std::uint32_t mtu() const noexcept;

    /// Returns the device's capabilities, as the device reports them. Throws std::system_error.
    ibv_device_attr attributes() const;

    /// Returns the ibv_context underneath. Call control verbs on it through device().provider: libibverbs' own
    /// functions work only on its own objects, and a soft device's are not.
    ibv_context* raw() noexcept;
    /// Returns the protection domain underneath; control verbs as for raw().
    ibv_pd* raw_pd() noexcept;

private:
    std::unique_ptr<Core, void (*)(Core*)> core_;
};

}  // namespace pktverbs
