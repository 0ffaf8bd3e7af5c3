// SPDX-License-Identifier: Apache-2.0
// Core: what a Context owns; it stays until the last packet list has ended.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include <pktverbs/options.hpp>
#include <pktverbs/verbs/device.hpp>
#include <pktverbs/verbs/error.hpp>
#include <pktverbs/verbs/handle.hpp>

#include "context/device_events.hpp"
#include "context/flow_slots.hpp"
#include "context/queue_state.hpp"
#include "context/recv_group.hpp"
#include "counters/interface_counters.hpp"
#include "offload/granted_offloads.hpp"
#include "verbs/port.hpp"

namespace pktverbs {

class DatagramState;
class FlowRegistry;
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

    /// Destroys everything but the packets' memory, once no thread is returning packets. Twice is harmless.
    void close() noexcept;
    /// Packets in lists of the user.
    std::uint32_t held() const noexcept;

    verbs::Port port() const noexcept { return {*device.provider, device.name, context.get(), pd.get()}; }
    verbs::Action action(std::string_view verb, std::string_view what) const noexcept {
        return {verb, what, device.name};
    }

    const Device device;
    const InterfaceCounters interface_counters;
    Limits limits;
    GrantedOffloads offloads;
    verbs::ContextHandle context;
    std::optional<DeviceEvents> events;
    verbs::PdHandle pd;
    std::unique_ptr<RegionTable> regions;
    std::shared_ptr<FlowRegistry> flows;
    FlowSlots flow_slots;
    std::unique_ptr<DatagramState> datagrams;  ///< none for raw packets
    std::vector<std::unique_ptr<QueueState>> queues;
    std::vector<std::size_t> all_queues;  ///< their indexes
    std::unique_ptr<RssGroups> rss;       ///< none if each rule is for one queue
    RecvGroup* receiver = nullptr;        ///< of all queues

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
    void open_queues(const Options& options, const ibv_device_attr& attr, std::uint64_t clock_khz);

    verbs::DeviceDrops drops_before_;
    std::unique_ptr<RecvGroup> all_receive_;          ///< if there are several queues
    std::atomic<std::uint32_t> held_after_close_{0};  ///< less what came back before it was set
};

}  // namespace pktverbs
