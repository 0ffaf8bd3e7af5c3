// SPDX-License-Identifier: Apache-2.0
#include "soft/device/soft_device.hpp"

#include <pktverbs/soft/device.hpp>

#include <algorithm>
#include <cstring>
#include <string>
#include <utility>

#include <fmt/core.h>

#include "interface/interface.hpp"
#include "soft/link/faulty.hpp"
#include "soft/nic/nic.hpp"

namespace pktverbs::soft {

namespace {

verbs::Device make(std::string name, const std::string& short_name, LinkPort port) {
    verbs::Device device;
    device.name = std::move(name);
    device.provider = &provider();
    if (port.interface) device.interface = port.interface->label();
    device.joins_groups = port.interface != nullptr;
    device.mtu = port.mtu;
    device.waits_for_peer = port.waits_for_peer;
    device.read_drops = [](const verbs::Device&, ibv_context* context) { return Nic::of(context).drops(); };
    device.timestamp_clock = port.timestamp_clock;
    device.netdev = port.interface;
    auto soft = std::make_shared<SoftDevice>();
    soft->node_type = IBV_NODE_CA;
    soft->transport_type = IBV_TRANSPORT_IB;
    std::strncpy(soft->name, short_name.c_str(), sizeof soft->name - 1);
    soft->port = std::move(port);
    device.handle = std::move(soft);
    return device;
}

}  // namespace

verbs::Device make_device(const LinkString& string) {
    LinkPort port = string.kind().find(string);
    if (string.has_faults()) make_faulty(port, string.faults());
    return make(string.text(), string.name(), std::move(port));
}

verbs::Device make_device(std::shared_ptr<const Interface> interface) {
    const auto kind = *std::ranges::find_if(link_kinds(), [](const LinkKind* row) { return row->on_interface; });
    const std::string name = interface->label();
    return make(fmt::format("{}:{}", kind->prefix, name), name, kind->on_interface(std::move(interface)));
}

}  // namespace pktverbs::soft
