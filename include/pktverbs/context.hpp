// SPDX-License-Identifier: Apache-2.0
// Context: a device opened for raw packet I/O, with its queues, packets and flows.
#pragma once

#include <infiniband/verbs.h>

#include <chrono>
#include <cstddef>
#include <memory>
#include <stop_token>
#include <string_view>

#include <pktverbs/export.hpp>
#include <pktverbs/flow.hpp>
#include <pktverbs/flow_rule.hpp>
#include <pktverbs/options.hpp>
#include <pktverbs/queue.hpp>
#include <pktverbs/recv_list.hpp>
#include <pktverbs/send_list.hpp>
#include <pktverbs/stats.hpp>
#include <pktverbs/verbs/device.hpp>

namespace pktverbs {

class Core;

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
    /// Closes. Packets that are still held in lists keep their bytes until the lists end; nothing is received or sent
    /// any more. Received lists may end in other threads meanwhile; nothing else may be going on.
    ~Context();

    /// Removes the flows and gives everything back to the device. Throws std::system_error (EBUSY), and stays
    /// open, while lists hold packets. A second close is harmless. Afterwards only close() and assignment are allowed.
    void close();

    /// Receives from any of the queues, each in its turn; one list holds packets of one queue. See Queue::recv.
    RecvList recv(std::chrono::nanoseconds timeout = forever, std::stop_token stop = {}) noexcept;

    /// On the first queue; see Queue. With several queues, use queue(i).
    SendList acquire(std::size_t count) noexcept { return queue(0).acquire(count); }
    SendList acquire(std::size_t count, std::chrono::nanoseconds timeout) noexcept {
        return queue(0).acquire(count, timeout);
    }
    /// To the queue that the packets came from.
    SendList send(SendList packets) noexcept;
    /// All queues; false if `timeout` passed first.
    bool flush(std::chrono::nanoseconds timeout) noexcept;

    /// Steers matching frames to a queue until the Flow ends. A multicast destination address fills in the
    /// multicast MAC address and joins the group on the device's interface.
    /// Throws std::system_error: EINVAL if the rule contradicts itself, or the device's errno. A failed rule leaves
    /// nothing behind.
    [[nodiscard]] Flow install(const FlowRule& rule, std::size_t queue = 0);
    /// Puts a rule in a numbered slot, in place of the one that is there. If that fails, the old
    /// rule stays in force. Slots are made as they are needed; throws like install().
    void set_flow(std::size_t slot, const FlowRule& rule, std::size_t queue = 0);
    /// Empties a slot; an empty one is no error.
    void clear_flow(std::size_t slot);

    std::size_t queue_count() const noexcept;
    /// `index` below queue_count().
    Queue& queue(std::size_t index) noexcept;

    /// For event loops, over all queues: see Queue::fd, arm and drain.
    int fd() const noexcept;
    bool arm() noexcept;
    void drain() noexcept;

    const Device& device() const noexcept;
    const Limits& limits() const noexcept;
    /// Sums over all queues, and the device's drops. Reads files for some devices: not for every packet.
    Stats stats() const;
    /// The port as it is now. Throws std::system_error.
    ibv_port_attr port() const;

    ibv_context* raw() noexcept;
    ibv_pd* raw_pd() noexcept;

private:
    std::unique_ptr<Core, void (*)(Core*)> core_;
};

}  // namespace pktverbs
