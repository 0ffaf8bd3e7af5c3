// SPDX-License-Identifier: Apache-2.0
#include <pktverbs/soft/device.hpp>

#include <fmt/core.h>

#include <cerrno>
#include <cstring>
#include <string>
#include <system_error>
#include <utility>

#include "interface/interface.hpp"
#include "soft/device/soft_device.hpp"
#include "soft/link/packet.hpp"
#include "soft/link/wire.hpp"
#include "soft/nic/nic.hpp"

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

verbs::Device packet_device(std::shared_ptr<const Interface> interface) {
    const std::string name = interface->label();
    auto device = make_device("packet:" + name, name, [interface] { return open_packet_link(interface); });
    device.interface = name;
    device.timestamp_clock = TimestampClock::kernel;
    device.mtu = interface->found().mtu;
    device.netdev = std::move(interface);
    return device;
}

verbs::Device packet_device(std::string_view interface) {
    auto found = Interface::find(interface);
    if (!found)
        throw std::system_error{ENODEV, std::generic_category(), fmt::format("no network interface '{}'", interface)};
    return packet_device(std::move(found));
}

}  // namespace pktverbs::soft
