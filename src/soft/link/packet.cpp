// SPDX-License-Identifier: Apache-2.0
#include "soft/link/packet.hpp"

#include <linux/ethtool.h>
#include <linux/if_packet.h>
#include <linux/sockios.h>
#include <net/if_arp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <iterator>
#include <memory>
#include <mutex>
#include <new>
#include <thread>
#include <vector>

#include "soft/interface_addresses.hpp"
#include "soft/link/packet_filter.hpp"
#include "soft/link/packet_membership.hpp"
#include "soft/link/packet_ring.hpp"
#include "soft/link/packet_sender.hpp"
#include "soft/link/packet_socket.hpp"

namespace pktverbs::soft {
namespace {

constexpr std::uint16_t every_protocol = 0x0003;  // ETH_P_ALL
constexpr int send_buffer_bytes = 4 * 1024 * 1024;

class PacketLink final : public Link {
public:
    explicit PacketLink(const std::string& interface);

    MacAddress mac() const noexcept override { return mac_; }
    std::uint32_t mtu() const noexcept override { return mtu_.load(std::memory_order_relaxed); }
    bool up() const noexcept override;
    std::vector<Ipv6Address> addresses() const override;
    std::uint32_t interface_index() const noexcept override { return static_cast<std::uint32_t>(index_); }

    void attach(Sink& sink) override;
    void detach() noexcept override;

    std::size_t send(std::span<const TxFrame> frames) noexcept override;
    void receive(std::size_t most) noexcept override;
    int receive_fd() const noexcept override { return receiver_.fd(); }
    int send_fd() const noexcept override { return transmitter_.fd(); }

    int set_flows(std::span<const FlowMatch* const> flows) noexcept override;
    std::uint64_t lost() noexcept override;
    std::uint64_t unsent() noexcept override { return sender_.lost(); }

private:
    static constexpr std::size_t batch = 64;
    static constexpr unsigned empty_calls_per_look = 256;

    /// The sink, and detach() waits until this is gone.
    class Delivery {
    public:
        explicit Delivery(PacketLink& link) noexcept : link_{link} {
            // Sequentially consistent, here and in detach(): either this sees no sink, or detach() sees this.
            link_.delivering_.store(true);
            sink_ = link_.sink_.load();
        }
        ~Delivery() { link_.delivering_.store(false, std::memory_order_release); }
        Delivery(const Delivery&) = delete;
        Delivery& operator=(const Delivery&) = delete;
        Sink* sink() const noexcept { return sink_; }

    private:
        PacketLink& link_;
        Sink* sink_;
    };

    void look_at_interface() noexcept;
    bool is_removed() const noexcept;
    int set_membership(int option, const PacketMembership& membership) const noexcept;

    PacketSocket receiver_;
    PacketSocket transmitter_;
    int index_;
    MacAddress mac_;
    std::atomic<std::uint32_t> mtu_;
    PacketRing ring_;
    PacketSender sender_;

    std::atomic<Sink*> sink_{nullptr};
    std::atomic<bool> delivering_{false};
    std::atomic<bool> look_wanted_{false};
    unsigned empty_calls_ = 0;
    bool reported_up_ = false;
    bool reported_removed_ = false;

    std::mutex flows_mutex_;
    std::vector<PacketMembership> memberships_;
    std::atomic<std::uint64_t> kernel_lost_{0};
};

MacAddress read_mac(const PacketSocket& socket) {
    const ifreq answer = socket.ask(SIOCGIFHWADDR, "read the address of");
    if (answer.ifr_hwaddr.sa_family != ARPHRD_ETHER && answer.ifr_hwaddr.sa_family != ARPHRD_LOOPBACK)
        socket.fail(EOPNOTSUPP, "send and receive Ethernet frames (it is of another kind) on");
    MacAddress::Bytes bytes;
    std::copy_n(reinterpret_cast<const std::uint8_t*>(answer.ifr_hwaddr.sa_data), bytes.size(), bytes.begin());
    return MacAddress{bytes};
}

PacketLink::PacketLink(const std::string& interface)
    : receiver_{interface},
      transmitter_{interface},
      index_{receiver_.ask(SIOCGIFINDEX, "find the interface").ifr_ifindex},
      mac_{read_mac(receiver_)},
      mtu_{static_cast<std::uint32_t>(receiver_.ask(SIOCGIFMTU, "read the MTU of").ifr_mtu)},
      ring_{receiver_},
      sender_{transmitter_.fd()} {
    // The receiver gets frames from bind() on: not before it has a filter, which refuses all until there are flows.
    receiver_.set(PACKET_IGNORE_OUTGOING, 1, "leave out what is sent on");
    if (const int error = receiver_.attach_filter(compile_packet_filter({}))) receiver_.fail(error, "filter frames on");
    receiver_.bind(index_, every_protocol);

    // Both only make sending faster.
    transmitter_.set(PACKET_QDISC_BYPASS, 1);
    if (::setsockopt(transmitter_.fd(), SOL_SOCKET, SO_SNDBUFFORCE, &send_buffer_bytes, sizeof send_buffer_bytes) != 0)
        ::setsockopt(transmitter_.fd(), SOL_SOCKET, SO_SNDBUF, &send_buffer_bytes, sizeof send_buffer_bytes);
    transmitter_.bind(index_, 0);
}

bool PacketLink::up() const noexcept {
    ifreq answer;
    if (receiver_.ask(SIOCGIFFLAGS, answer) != 0) return false;
    return (answer.ifr_flags & IFF_UP) != 0 && (answer.ifr_flags & IFF_RUNNING) != 0;
}

std::vector<Ipv6Address> PacketLink::addresses() const {
    std::vector<Ipv6Address> found;
    for (const InterfaceAddress& at : list_interface_addresses())
        if (at.interface == receiver_.interface()) found.push_back(at.address);
    return found;
}

void PacketLink::attach(Sink& sink) {
    reported_up_ = up();
    sink_.store(&sink);
    wants_receive_.store(true, std::memory_order_relaxed);
}

void PacketLink::detach() noexcept {
    wants_receive_.store(false, std::memory_order_relaxed);
    sink_.store(nullptr);
    while (delivering_.load()) std::this_thread::yield();
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
    if (!ring_.ready()) {
        // Only POLLERR tells that the interface went down; who polls then calls here until it is gone.
        if (++empty_calls_ % empty_calls_per_look == 0 || look_wanted_.load(std::memory_order_relaxed))
            look_at_interface();
        return;
    }
    if (!reported_up_) look_at_interface();
    const Delivery delivery{*this};
    if (!delivery.sink()) return;
    std::array<RxFrame, batch> frames;
    while (most != 0) {
        const std::size_t taken = ring_.take(std::span{frames}.first(std::min(most, batch)));
        if (taken == 0) return;
        delivery.sink()->deliver(std::span{frames}.first(taken));
        ring_.release();
        most -= taken;
    }
}

/// Clears the error that an interface leaves on the socket when it goes down, and takes over and tells what changed.
void PacketLink::look_at_interface() noexcept {
    look_wanted_.store(false, std::memory_order_relaxed);
    int error = 0;
    socklen_t bytes = sizeof error;
    ::getsockopt(receiver_.fd(), SOL_SOCKET, SO_ERROR, &error, &bytes);
    ifreq answer;
    if (receiver_.ask(SIOCGIFMTU, answer) == 0)
        mtu_.store(static_cast<std::uint32_t>(answer.ifr_mtu), std::memory_order_relaxed);
    const bool now_up = up();
    const bool changed = now_up != reported_up_;
    const bool removed = !now_up && !reported_removed_ && is_removed();
    reported_up_ = now_up;
    reported_removed_ |= removed;
    const Delivery delivery{*this};
    if (delivery.sink() && changed) delivery.sink()->link_changed(now_up);
    if (delivery.sink() && removed) delivery.sink()->removed();
}

/// An interface goes down some time before it goes away, and only the first leaves an error on the socket. So this
/// waits for whoever is changing interfaces: ethtool's requests take the kernel's lock for that (rtnl_lock() in
/// dev_ethtool(), net/ethtool/ioctl.c). Afterwards it asks by number, as an interface may have been given another name.
bool PacketLink::is_removed() const noexcept {
    ifreq request;
    ethtool_value carrier{ETHTOOL_GLINK, 0};
    receiver_.ask(SIOCETHTOOL, request, &carrier);
    request = {};
    request.ifr_ifindex = index_;
    return ::ioctl(receiver_.fd(), SIOCGIFNAME, &request) != 0 && errno == ENODEV;
}

int PacketLink::set_membership(int option, const PacketMembership& membership) const noexcept {
    packet_mreq request{};
    request.mr_ifindex = index_;
    request.mr_type = membership.type;
    request.mr_alen = MacAddress::size;
    std::ranges::copy(membership.address.bytes(), request.mr_address);
    return receiver_.set(option, request);
}

int PacketLink::set_flows(std::span<const FlowMatch* const> flows) noexcept try {
    const std::lock_guard lock{flows_mutex_};
    const auto filter = compile_packet_filter(flows);
    auto wanted = find_memberships(flows, mac_);
    std::vector<PacketMembership> added;
    std::vector<PacketMembership> dropped;
    std::ranges::set_difference(wanted, memberships_, std::back_inserter(added));
    std::ranges::set_difference(memberships_, wanted, std::back_inserter(dropped));

    // What may fail goes first and can be undone; what is dropped last can't.
    auto undo = [&](std::size_t count) noexcept {
        for (std::size_t i = 0; i < count; ++i) set_membership(PACKET_DROP_MEMBERSHIP, added[i]);
    };
    for (std::size_t i = 0; i < added.size(); ++i) {
        if (const int error = set_membership(PACKET_ADD_MEMBERSHIP, added[i])) {
            undo(i);
            return error;
        }
    }
    int error = receiver_.attach_filter(filter);
    // Long programs don't fit net.core.optmem_max; the device refuses for itself what no flow matches.
    if (error == ENOMEM) error = receiver_.attach_filter(accept_all_filter());
    if (error != 0) {
        undo(added.size());
        return error;
    }
    for (const auto& membership : dropped) set_membership(PACKET_DROP_MEMBERSHIP, membership);
    memberships_ = std::move(wanted);
    return 0;
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

}  // namespace

std::unique_ptr<Link> open_packet_link(const std::string& interface) { return std::make_unique<PacketLink>(interface); }

}  // namespace pktverbs::soft
