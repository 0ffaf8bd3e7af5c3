// SPDX-License-Identifier: Apache-2.0
// The packet link: frames through AF_PACKET sockets on a Linux interface.
#include <linux/if_packet.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstdint>
#include <memory>
#include <mutex>
#include <new>
#include <utility>
#include <vector>

#include <fmt/core.h>

#include "interface/interface.hpp"
#include "interface/interface_name.hpp"
#include "soft/link/interface_news.hpp"
#include "soft/link/link_kind.hpp"
#include "soft/link/link_string.hpp"
#include "soft/link/packet_filter.hpp"
#include "soft/link/packet_membership.hpp"
#include "soft/link/packet_ring.hpp"
#include "soft/link/packet_sender.hpp"
#include "soft/link/packet_socket.hpp"
#include "soft/link/sink_gate.hpp"
#include "verbs/device_string.hpp"

namespace pktverbs::soft {
namespace {

constexpr std::uint16_t every_protocol = 0x0003;  // ETH_P_ALL
constexpr int send_buffer_bytes = 4 * 1024 * 1024;

/// Frames come in the kernel's blocks, so one alone waits for about a millisecond. The interface shows what the
/// kernel's stack would see: with GRO on (ethtool -K INTERFACE gro off), frames of one stream joined to longer ones;
/// and where a virtual interface vouches for checksums (veth does), checksum_ok without anyone having looked.
///
/// It stays on the interface and in its network namespace, whatever that is called and wherever the calling threads
/// are.
class PacketLink final : public Link {
public:
    /// Throws std::system_error: EPERM without CAP_NET_RAW, ENODEV if the interface is gone, EOPNOTSUPP if it isn't
    /// Ethernet or loopback, and what the kernel says.
    explicit PacketLink(std::shared_ptr<const Interface> interface);

    MacAddress mac() const noexcept override { return news_.mac(); }
    std::uint32_t mtu() const noexcept override { return news_.mtu(); }
    bool up() const noexcept override { return interface_->is_up(); }
    std::vector<Ipv6Address> addresses() const override { return interface_->addresses(); }
    std::uint32_t interface_index() const noexcept override { return static_cast<std::uint32_t>(interface_->index()); }

    void attach(Sink& sink) override;
    void detach() noexcept override;

    std::size_t send(std::span<const TxFrame> frames) noexcept override;
    void receive(std::size_t most) noexcept override;
    int receive_fd() const noexcept override { return receiver_.fd(); }
    void waited() noexcept override { look_wanted_.store(true, std::memory_order_relaxed); }
    int send_fd() const noexcept override { return transmitter_.fd(); }
    int news_fd() const noexcept override { return news_.fd(); }
    void take_news() noexcept override { news_.take(gate_.sink()); }

    int set_flows(std::span<const FlowMatch* const> flows) noexcept override;
    std::uint64_t lost() noexcept override;
    std::uint64_t unsent() noexcept override { return sender_.lost(); }

private:
    static constexpr std::size_t batch = 64;
    static constexpr unsigned calls_per_look = 256;

    void look_at_interface() noexcept;

    const std::shared_ptr<const Interface> interface_;
    PacketSocket receiver_;
    PacketSocket transmitter_;
    InterfaceNews news_;
    PacketRing ring_;
    PacketSender sender_;

    SinkGate gate_;
    std::atomic<bool> look_wanted_{false};
    unsigned calls_ = 0;

    std::mutex flows_mutex_;
    PacketMemberships memberships_;
    std::atomic<std::uint64_t> kernel_lost_{0};
};

PacketLink::PacketLink(std::shared_ptr<const Interface> interface)
    : interface_{std::move(interface)},
      receiver_{interface_},
      transmitter_{interface_},
      news_{interface_},
      ring_{receiver_},
      sender_{transmitter_.fd()},
      memberships_{receiver_, interface_->index()} {
    // The receiver gets frames from bind() on: not before it has a filter, which refuses all until there are flows.
    receiver_.set(PACKET_IGNORE_OUTGOING, 1, "leave out what is sent on");
    if (const int error = receiver_.attach_filter(compile_packet_filter({}))) receiver_.fail(error, "filter frames on");
    receiver_.bind(every_protocol);

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

void PacketLink::receive(std::size_t most) noexcept {
    const bool ready = ring_.ready();
    const bool look = ready ? !news_.up() : look_wanted_.load(std::memory_order_relaxed);
    if (look || ++calls_ % calls_per_look == 0) [[unlikely]]
        look_at_interface();
    if (!ready) return;
    look_wanted_.store(false, std::memory_order_relaxed);
    const SinkGate::Use use{gate_};
    if (!use.sink()) return;
    std::array<RxFrame, batch> frames;
    while (most != 0) {
        const std::size_t taken = ring_.take(std::span{frames}.first(std::min(most, batch)));
        if (taken == 0) return;
        use.sink()->deliver(std::span{frames}.first(taken));
        ring_.release();
        most -= taken;
    }
}

/// Besides the news: an interface that goes down leaves an error on the socket, which makes it readable until somebody
/// takes it.
void PacketLink::look_at_interface() noexcept {
    look_wanted_.store(false, std::memory_order_relaxed);
    int error = 0;
    socklen_t bytes = sizeof error;
    ::getsockopt(receiver_.fd(), SOL_SOCKET, SO_ERROR, &error, &bytes);
    take_news();
}

int PacketLink::set_flows(std::span<const FlowMatch* const> flows) noexcept try {
    const std::lock_guard lock{flows_mutex_};
    const auto filter = compile_packet_filter(flows);
    // What may fail goes first and can be undone; what is dropped last can't.
    if (const int error = memberships_.add(find_memberships(flows, mac()))) return error;
    int error = receiver_.attach_filter(filter);
    // Long programs don't fit net.core.optmem_max; the device refuses for itself what no flow matches.
    if (error == ENOMEM) error = receiver_.attach_filter(accept_all_filter());
    if (error == 0)
        memberships_.commit();
    else
        memberships_.undo();
    return error;
} catch (const std::bad_alloc&) {
    return ENOMEM;
}

std::uint64_t PacketLink::lost() noexcept {
    tpacket_stats_v3 statistics{};
    socklen_t bytes = sizeof statistics;
    // Reading sets the kernel's counters back to 0 (packet(7)).
    if (::getsockopt(receiver_.fd(), SOL_PACKET, PACKET_STATISTICS, &statistics, &bytes) == 0)
        kernel_lost_.fetch_add(statistics.tp_drops, std::memory_order_relaxed);
    return kernel_lost_.load(std::memory_order_relaxed) + ring_.cut();
}

LinkPort packet_port(std::shared_ptr<const Interface> interface) {
    LinkPort port;
    port.open = [interface] { return std::make_unique<PacketLink>(interface); };
    port.mac = [interface] { return interface->state().value_or(interface->found()).mac; };
    port.addresses = [interface] { return interface->addresses(); };
    port.mtu = interface->found().mtu;
    port.timestamp_clock = TimestampClock::kernel;
    port.interface = std::move(interface);
    return port;
}

LinkPort find_packet(const LinkString& string) {
    if (!is_interface_name(string.name())) string.refuse("no interface can have that name");
    auto interface = Interface::find(string.name());
    if (!interface) verbs::no_device_for(string.text(), fmt::format("no such interface: {}", string.name()));
    return packet_port(std::move(interface));
}

}  // namespace

extern const LinkKind packet_kind;
const LinkKind packet_kind{.prefix = "packet",
                           .name = "INTERFACE",
                           .keys = {},
                           .purpose = "AF_PACKET sockets on a network interface; opening needs CAP_NET_RAW",
                           .find = find_packet,
                           .on_interface = packet_port};

}  // namespace pktverbs::soft
