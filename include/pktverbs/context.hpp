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

#include <pktverbs/address/ipv4_address.hpp>
#include <pktverbs/address/ipv6_address.hpp>
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
class Peer;
namespace verbs {
struct AsyncEvent;
struct Endpoint;
}  // namespace verbs
namespace async {
template <class Source>
class Recv;
}

/// Move-only. Setup throws std::system_error with the errno of the verb that failed and what to do about
/// it, and leaves nothing behind. One thread receives, one sends, any releases, any installs flows.
class PKTVERBS_EXPORT Context {
public:
    /// Opens what find_device(device) finds.
    explicit Context(std::string_view device, const Options& options = {});
    explicit Context(const char* device, const Options& options = {}) : Context(std::string_view{device}, options) {}
    explicit Context(Device device, const Options& options = {});
    Context(Context&&) noexcept;
    Context& operator=(Context&&) noexcept;
    /// Closes. Packets that are still held in lists keep their bytes until the lists end, and nothing is received or
    /// sent any more. Lists and flows may be ending on other threads meanwhile; nothing else may be going on.
    ~Context();

    /// Removes the flows and gives everything back to the device. Throws std::system_error (EBUSY), and stays
    /// open, while lists hold packets. A second close is harmless. Afterwards only close() and assignment are allowed.
    void close();

    /// Receives from any of the queues, each in its turn; one list holds packets of one queue. See Queue::recv.
    RecvList recv(std::chrono::nanoseconds timeout = no_timeout, std::stop_token stop = {}) noexcept;

    /// The same for a coroutine, which others run beside meanwhile: needs <pktverbs/async/recv.hpp>.
    async::Recv<Context> async_recv(std::chrono::nanoseconds timeout = no_timeout, std::stop_token stop = {}) noexcept;

    /// On the first queue; see Queue. With several queues, use queue(i).
    SendList acquire(std::size_t count) noexcept;
    SendList acquire(std::size_t count, std::chrono::nanoseconds timeout, std::stop_token stop = {}) noexcept;
    /// To the queue that the packets came from.
    SendList send(SendList packets) noexcept;
    /// All queues; false if `timeout` passed or `stop` was requested first.
    bool flush(std::chrono::nanoseconds timeout, std::stop_token stop = {}) noexcept;

    /// Steers matching frames to the first queue, or with Options::rss to all, until the Flow ends. A multicast
    /// destination address fills in the multicast MAC address and joins the group on the device's interface. Throws
    /// std::system_error: EINVAL if the rule contradicts itself, or the device's errno. A failed rule leaves nothing
    /// behind.
    [[nodiscard]] Flow install(const FlowRule& rule);
    /// To one queue.
    [[nodiscard]] Flow install(const FlowRule& rule, std::size_t queue);
    /// To several queues, by the hash of Options::rss; without it EOPNOTSUPP for more than one. In another order
    /// they are other queues.
    [[nodiscard]] Flow install(const FlowRule& rule, std::span<const std::size_t> queues);
    /// Puts a rule in a numbered slot, in place of the one that is there. If that fails, the old
    /// rule stays in force. Slots are made as they are needed; throws like install().
    void set_flow(std::size_t slot, const FlowRule& rule);
    void set_flow(std::size_t slot, const FlowRule& rule, std::size_t queue);
    void set_flow(std::size_t slot, const FlowRule& rule, std::span<const std::size_t> queues);
    /// Empties a slot; an empty one is no error.
    void clear_flow(std::size_t slot);

    /// With Transport::datagram: what others must know to send here; else EOPNOTSUPP. These throw std::system_error,
    /// and may be called from any thread.
    verbs::Endpoint endpoint(std::size_t queue = 0) const;
    /// The way to an endpoint of somebody else's, for SendPkt::set_peer. The device looks up the route now, once for
    /// each GID, and keeps it until the Context closes: one address handle for each.
    Peer peer(const verbs::Endpoint& endpoint);
    /// The way back to the sender of a datagram, who must use this context's key.
    Peer peer(const RecvPkt& packet);
    /// The way to everybody who joined a multicast group.
    Peer peer(const Ipv4Address& group);
    Peer peer(const Ipv6Address& group);
    /// Receives datagrams to a group as well, until leave() or the end, and joins it on the device's interface.
    void join(const Ipv4Address& group, std::size_t queue = 0);
    void join(const Ipv6Address& group, std::size_t queue = 0);
    /// A group that was not joined is no error.
    void leave(const Ipv4Address& group, std::size_t queue = 0);
    void leave(const Ipv6Address& group, std::size_t queue = 0);

    /// Registers more of the program's memory, until remove_region() or the end; what is registered already stays so.
    /// The slice is of all of it, or its first 2^32 - 1 bytes. Throws std::system_error. These two while no thread
    /// calls slice().
    verbs::LocalSlice add_region(const Region& region);
    /// Just these bytes were added, and no packet is aimed at them any more. Nothing if they were not.
    void remove_region(std::span<const std::uint8_t> bytes) noexcept;
    /// Finds the registration that `bytes` lie in, for RecvPkt::retarget() and SendPkt::attach(); nullopt if they don't
    /// lie in one. It takes the same short time for any number of regions. Any thread.
    std::optional<verbs::LocalSlice> slice(std::span<const std::uint8_t> bytes) const noexcept;

    std::size_t queue_count() const noexcept;
    /// Throws std::system_error (EINVAL) from queue_count() on.
    Queue& queue(std::size_t index);

    /// For event loops, over all queues: see Queue::fd, arm and drain.
    int fd() const noexcept;
    bool arm() noexcept;
    void drain() noexcept;

    const Device& device() const noexcept;
    const Limits& limits() const noexcept;
    /// Sums over all queues, and the device's drops. Reads files for some devices: not for every packet.
    Stats stats() const;
    /// The same by queue, with what flows and the interface count: to show, or to export. Throws std::system_error if
    /// the device refuses to read a flow's counters.
    Counters counters() const;
    /// What happened to the device since the last time: its port went down or came up, its addresses or its MTU
    /// changed, a queue or all of it failed. Those make fd() readable, and end waits, if they concern receiving or
    /// sending; here they can be read, the oldest first, 64 at most. nullopt if nothing did. Any thread.
    std::optional<verbs::AsyncEvent> next_event() noexcept;
    /// The same, but waits for one; nullopt if `timeout` passed or `stop` was requested first, or no descriptor is left
    /// to wait for `stop` by. Whichever call takes an event from the device, a thread that waits here gets it. Any
    /// thread, several too; each event goes to one.
    std::optional<verbs::AsyncEvent> wait_event(std::chrono::nanoseconds timeout = no_timeout,
                                                std::stop_token stop = {}) noexcept;

    /// The port as it is now. Throws std::system_error.
    ibv_port_attr port() const;
    /// Its MAC address now, and its MTU in bytes, without the Ethernet header: limits() has those from the opening. All
    /// zero, and 0, if they aren't known.
    MacAddress mac() const noexcept;
    std::uint32_t mtu() const noexcept;

    /// What the device can do, as it says itself. Throws std::system_error.
    ibv_device_attr attributes() const;

    /// The verbs objects underneath. Control verbs must come from device().provider: libibverbs' own are only for its
    /// own objects, and a soft device's are not.
    ibv_context* raw() noexcept;
    ibv_pd* raw_pd() noexcept;

private:
    std::unique_ptr<Core, void (*)(Core*)> core_;
};

}  // namespace pktverbs
