// SPDX-License-Identifier: Apache-2.0
#include <pktverbs/soft/device.hpp>

#include <fmt/core.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string>
#include <system_error>

#include "soft/link/packet.hpp"
#include "soft/link/wire.hpp"
#include "soft/nic.hpp"
#include "soft/soft_device.hpp"

namespace pktverbs::soft {

namespace {

verbs::Device make_device(std::string name, std::string_view short_name,
                          std::function<std::unique_ptr<Link>()> open_link) {
    auto soft = std::make_shared<SoftDevice>();
    soft->node_type = IBV_NODE_CA;
    soft->transport_type = IBV_TRANSPORT_IB;
    std::strncpy(soft->name, std::string{short_name}.c_str(), sizeof soft->name - 1);
    soft->open_link = std::move(open_link);
    verbs::Device device;
    device.name = std::move(name);
    device.handle = std::move(soft);
    device.provider = &provider();
    device.read_drops = [](const verbs::Device&, ibv_context* context) { return Nic::of(context).drops(); };
    return device;
}

}  // namespace

verbs::Device wire_device(std::string_view name, const WireOptions& options) {
    const std::string wire{name};
    auto device =
        make_device(fmt::format("wire:{}", name), name, [wire, options] { return open_wire_link(wire, options); });
    device.mtu = options.mtu;
    device.timestamp_clock = TimestampClock::delivery;
    device.joins_groups = false;
    return device;
}

verbs::Device packet_device(std::string_view interface) {
    const std::string netdev{interface};
    if (netdev.size() >= IFNAMSIZ || if_nametoindex(netdev.c_str()) == 0)
        throw std::system_error{ENODEV, std::generic_category(), fmt::format("no network interface '{}'", netdev)};
    auto device = make_device(fmt::format("packet:{}", netdev), netdev, [netdev] { return open_packet_link(netdev); });
    device.interface = netdev;
    device.timestamp_clock = TimestampClock::kernel;
    ifreq request{};
    std::copy(netdev.begin(), netdev.end(), request.ifr_name);
    if (const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0); fd >= 0) {
        if (ioctl(fd, SIOCGIFMTU, &request) == 0) device.mtu = static_cast<std::uint32_t>(request.ifr_mtu);
        close(fd);
    }
    return device;
}

}  // namespace pktverbs::soft
