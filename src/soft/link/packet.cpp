// SPDX-License-Identifier: Apache-2.0
// The packet link: frames through AF_PACKET sockets on a Linux interface.
#include "soft/link/packet.hpp"

#include <linux/if_packet.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <memory>
#include <new>
#include <optional>
#include <utility>
#include <vector>

#include <fmt/core.h>

#include "interface/interface.hpp"
#include "interface/interface_name.hpp"
#include "soft/link/interface_news.hpp"
#include "soft/link/link_kind.hpp"
#include "soft/link/link_string.hpp"
#include "soft/link/packet_bell.hpp"
#include "soft/link/packet_fanout.hpp"
#include "soft/link/packet_flows.hpp"
#include "soft/link/packet_sender.hpp"
#include "soft/link/packet_socket.hpp"
#include "soft/link/segment_cutter.hpp"
#include "soft/link/sink_gate.hpp"
#include "verbs/device_string.hpp"

namespace pktverbs::soft {
namespace {

constexpr int send_buffer_bytes = 4 * 1024 * 1024;

/// The interface shows what the kernel's stack would see: with GRO on (ethtool -K INTERFACE gro off), frames of one
/// stream joined to longer ones; and where a virtual interface vouches for checksums (veth does), checksum_ok without
/// anyone having looked.
///
/// It stays on the interface and in its network namespace, whatever that is called and wherever the calling threads
/// are.
class PacketLink final : public Link {
public:
    /// Throws std::system_error: EPERM without CAP_NET_RAW, ENODEV if the interface is gone, EOPNOTSUPP if it isn't
    /// Ethernet or loopback, as PacketFanout, and what the kernel says.
    PacketLink(std::shared_ptr<const Interface> interface, const PacketSettings& settings);

    MacAddress mac() const noexcept override { return news_.mac(); }
    std::uint32_t mtu() const noexcept override { return news_.mtu(); }
    bool up() const noexcept override { return interface_->is_up(); }
    std::vector<Ipv6Address> addresses() const override { return interface_->addresses(); }
    std::uint32_t interface_index() const noexcept override { return static_cast<std::uint32_t>(interface_->index()); }

    void attach(Sink& sink) override;
    void detach() noexcept override;

    std::size_t send(std::span<const TxFrame> frames) noexcept override;
    void receive(std::size_t most) noexcept override;
    int receive_fd() const noexcept override { return bell_.fd(); }
    void waited() noexcept override;
    void watched(bool on) noexcept override;
    /// Once frames of a block were read in place, the end of that block makes the ring's socket readable for nothing.
    void never_wake_in_vain() noexcept override {
        receivers_.read_whole_blocks();
        flows_.filter_at_once();
    }
    int send_fd() const noexcept override { return transmitter_.fd(); }
    int news_fd() const noexcept override { return news_.fd(); }
    void take_news() noexcept override { news_.take(gate_.sink()); }

    int set_flows(std::span<const FlowMatch* const> flows) noexcept override;
    bool looks_at_flows() const noexcept override { return true; }
    bool follows_flows() const noexcept override { return true; }
    int add_flow(const FlowMatch& flow) noexcept override;
    void remove_flow(const FlowMatch& flow) noexcept override;
    std::uint64_t lost() noexcept override { return receivers_.lost(); }
    std::uint64_t unsent() noexcept override { return sender_.lost(); }

private:
    static constexpr std::size_t batch = 64;
    static constexpr unsigned calls_per_look = 256;

    void look_at_interface() noexcept;
    bool prepare_wait() noexcept;
    std::size_t deliver(std::span<const RxFrame> frames, Sink& sink) noexcept;

    const std::shared_ptr<const Interface> interface_;
    PacketFanout receivers_;
    PacketSocket transmitter_;
    InterfaceNews news_;
    PacketBell bell_;
    PacketSender sender_;
    std::optional<SegmentCutter> cutter_;  // with super-frames

    SinkGate gate_;
    std::atomic<bool> look_wanted_{false};
    unsigned calls_ = 0;
    std::atomic<int> watchers_{0};
    std::atomic<bool> wait_begins_{false};
    std::atomic<bool> woken_{false};
    bool took_since_empty_ = false;  // frames, since a call that found none
    bool took_since_bell_ = false;   // since the bell was silenced

    PacketFlows flows_;
};

PacketLink::PacketLink(std::shared_ptr<const Interface> interface, const PacketSettings& settings)
    : interface_{std::move(interface)},
      receivers_{interface_, settings},
      transmitter_{interface_},
      news_{interface_},
      bell_{interface_, receivers_.fds()},
      sender_{transmitter_.fd()},
      flows_{receivers_, bell_, interface_->index(), settings.filter_time} {
    receivers_.bind();

    if (settings.coalesces) {
        cutter_.emplace();
        transmitter_.set(PACKET_VNET_HDR, 1, "send super-frames on");
        sender_.coalesce(interface_, news_);
    }
    // Both only make sending faster.
    transmitter_.set(PACKET_QDISC_BYPASS, 1);
    if (::setsockopt(transmitter_.fd(), SOL_SOCKET, SO_SNDBUFFORCE, &send_buffer_bytes, sizeof send_buffer_bytes) != 0)
        ::setsockopt(transmitter_.fd(), SOL_SOCKET, SO_SNDBUF, &send_buffer_bytes, sizeof send_buffer_bytes);
    transmitter_.bind(0);
}

void PacketLink::attach(Sink& sink) {
    gate_.open(sink);
    wants_receive_.store(true, std::memory_order_relaxed);
}

void PacketLink::detach() noexcept {
    wants_receive_.store(false, std::memory_order_relaxed);
    gate_.close();
    news_.settle();
}

std::size_t PacketLink::send(std::span<const TxFrame> frames) noexcept {
    const std::size_t taken = sender_.send(frames);
    if (sender_.found_down()) look_wanted_.store(true, std::memory_order_relaxed);
    if (taken == frames.size()) return taken;
    // Without a carrier the kernel says "no buffers" for as long as that lasts, as it says for a full queue.
    if (up()) return taken;
    look_wanted_.store(true, std::memory_order_relaxed);
    sender_.lose(frames.size() - taken);
    return frames.size();
}

void PacketLink::waited() noexcept {
    woken_.store(true, std::memory_order_relaxed);
    wait_begins_.store(true, std::memory_order_relaxed);
}

void PacketLink::watched(bool on) noexcept {
    watchers_.fetch_add(on ? 1 : -1, std::memory_order_relaxed);
    if (on) wait_begins_.store(true, std::memory_order_relaxed);
}

void PacketLink::receive(std::size_t most) noexcept {
    bool ready = receivers_.ready();
    // What woke a waiter was the interface, unless frames have come since.
    const bool woken = !ready && woken_.exchange(false, std::memory_order_relaxed) && !took_since_empty_;
    const bool look = ready ? !news_.up() : woken || look_wanted_.load(std::memory_order_relaxed);
    took_since_empty_ = ready;
    if (look || ++calls_ % calls_per_look == 0) [[unlikely]]
        look_at_interface();
    const bool waits = wait_begins_.load(std::memory_order_relaxed) && watchers_.load(std::memory_order_relaxed) > 0;
    if (flows_.is_unsettled()) [[unlikely]]
        flows_.settle(!ready && waits);
    if (!ready && waits) ready = prepare_wait();
    if (!ready) return;
    look_wanted_.store(false, std::memory_order_relaxed);
    const SinkGate::Use use{gate_};
    if (!use.sink()) return;
    std::array<RxFrame, batch> frames;
    while (most != 0) {
        const std::size_t taken = receivers_.take(std::span{frames}.first(std::min(most, batch)));
        if (taken == 0) return;
        took_since_bell_ = true;
        const std::span<const RxFrame> wanted = flows_.keep_wanted(std::span{frames}.first(taken));
        const std::size_t delivered = deliver(wanted, *use.sink());
        receivers_.release();
        most -= std::min(most, delivered + (taken - wanted.size()));
    }
}

/// Returns how many frames it were, those of super-frames counted one by one.
std::size_t PacketLink::deliver(std::span<const RxFrame> frames, Sink& sink) noexcept {
    std::size_t delivered = 0;
    while (cutter_) {
        const auto super = std::ranges::find_if(frames, [](const RxFrame& frame) { return frame.segment_bytes != 0; });
        if (super == frames.end()) break;
        const auto before = static_cast<std::size_t>(super - frames.begin());
        if (before != 0) sink.deliver(frames.first(before));
        delivered += before + cutter_->deliver(*super, sink);
        frames = frames.subspan(before + 1);
    }
    if (!frames.empty()) sink.deliver(frames);
    return delivered + frames.size();
}

/// The ring was empty, and somebody is going to wait. Silences the bell and looks again: a frame that comes later
/// rings. Returns whether there is one now.
///
/// If the bell had rung and no frame has come since, the frame is still on its way from one socket to the other, and
/// this waits for it a little. If it takes longer, or another one gets away here, the end of its block wakes the
/// waiter.
bool PacketLink::prepare_wait() noexcept {
    wait_begins_.store(false, std::memory_order_relaxed);
    const bool listens = receivers_.begin_wait();
    bell_.listen(listens);
    if (!listens) return false;
    const bool expects_frame = bell_.silence() && !took_since_bell_;
    took_since_bell_ = false;
    if (!expects_frame) return receivers_.ready();
    using Clock = std::chrono::steady_clock;
    for (const auto end = Clock::now() + std::chrono::microseconds{30}; !receivers_.ready();)
        if (Clock::now() > end) return false;
    return true;
}

/// Besides the news: an interface that goes down leaves an error on the socket, which makes it readable until somebody
/// takes it.
void PacketLink::look_at_interface() noexcept {
    look_wanted_.store(false, std::memory_order_relaxed);
    receivers_.clear_errors();
    bell_.clear_error();
    take_news();
}

int PacketLink::set_flows(std::span<const FlowMatch* const> flows) noexcept try {
    return flows_.set(flows, mac());
} catch (const std::bad_alloc&) {
    return ENOMEM;
}

int PacketLink::add_flow(const FlowMatch& flow) noexcept try {
    return flows_.add(flow, mac());
} catch (const std::bad_alloc&) {
    return ENOMEM;
}

void PacketLink::remove_flow(const FlowMatch& flow) noexcept { flows_.remove(flow); }

constexpr LinkKind::Key packet_keys[] = {{"queues", "N"}, {"fanout", "cpu"}, {"coalesce", "1"}};

PacketSpread read_spread(const LinkString& string, std::uint32_t queues) {
    const auto value = string.value("fanout", "hash");
    if (value == "hash") return PacketSpread::by_hash;
    if (value != "cpu") string.refuse(fmt::format("fanout is \"hash\" or \"cpu\", not \"{}\"", value));
    if (queues == 1) string.refuse("fanout=cpu is for two queues or more: queues=2");
    return PacketSpread::by_processor;
}

LinkPort usual_packet_port(std::shared_ptr<const Interface> interface) { return packet_port(std::move(interface), {}); }

LinkPort find_packet(const LinkString& string) {
    if (!is_interface_name(string.name())) string.refuse("no interface can have that name");
    PacketSettings settings;
    settings.queues = static_cast<std::uint32_t>(
        string.number("queues", "the number of queues", 1, PacketSettings::max_queues, settings.queues));
    settings.spread = read_spread(string, settings.queues);
    settings.coalesces = string.flag("coalesce").value_or(false);
    auto interface = Interface::find(string.name());
    if (!interface) verbs::no_device_for(string.text(), fmt::format("no such interface: {}", string.name()));
    return packet_port(std::move(interface), settings);
}

}  // namespace

LinkPort packet_port(std::shared_ptr<const Interface> interface, const PacketSettings& settings) {
    LinkPort port;
    port.open = [interface, settings] { return std::make_unique<PacketLink>(interface, settings); };
    port.mac = [interface] { return interface->state().value_or(interface->found()).mac; };
    port.addresses = [interface] { return interface->addresses(); };
    port.mtu = interface->found().mtu;
    port.timestamp_clock = TimestampClock::kernel;
    port.interface = std::move(interface);
    return port;
}

extern const LinkKind packet_kind;
const LinkKind packet_kind{.prefix = "packet",
                           .name = "INTERFACE",
                           .keys = packet_keys,
                           .purpose = "AF_PACKET sockets on a network interface; opening needs CAP_NET_RAW",
                           .find = find_packet,
                           .on_interface = usual_packet_port};

}  // namespace pktverbs::soft
