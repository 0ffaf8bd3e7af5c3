// SPDX-License-Identifier: Apache-2.0
// Finding devices: what a device string means. The one place where hardware and soft devices meet.
#include "find_device.hpp"

#include <pktverbs/find_device.hpp>

#include <ifaddrs.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <netpacket/packet.h>

#include <cerrno>
#include <charconv>
#include <memory>
#include <string>
#include <system_error>

#include <fmt/format.h>

#include <pktverbs/verbs/error.hpp>
#if PKTVERBS_SOFT
#include <pktverbs/soft/device.hpp>
#endif

namespace pktverbs {
namespace {

[[noreturn]] void refuse(std::string_view text, std::string_view reason) {
    verbs::throw_message(EINVAL, fmt::format("cannot read the device string \"{}\": {} (the forms are INTERFACE, "
                                             "ibv:NAME[/PORT], packet:INTERFACE, wire:NAME[,mac=MAC][,mtu=BYTES])",
                                             text, reason));
}

[[noreturn]] void not_there(std::string_view text, std::string_view reason) {
    verbs::throw_message(ENODEV, fmt::format("cannot find a device for \"{}\": {}", text, reason));
}

bool interface_exists(std::string_view name) {
    return verbs::is_interface_name(name) && ::if_nametoindex(std::string{name}.c_str()) != 0;
}

#if PKTVERBS_SOFT
/// Takes everything up to the next comma off the front of `text`, and the comma.
std::string_view take_part(std::string_view& text) {
    const auto comma = text.find(',');
    const auto part = text.substr(0, comma);
    text.remove_prefix(comma == std::string_view::npos ? text.size() : comma + 1);
    return part;
}

MacAddress parse_nic_mac(std::string_view text, std::string_view value) {
    const auto mac = MacAddress::parse(value);
    if (!mac) refuse(text, fmt::format("\"{}\" is no MAC address", value));
    if (mac->is_multicast() || mac->is_zero())
        refuse(text, fmt::format("a NIC can't have {} as its MAC address", mac->to_string()));
    return *mac;
}

std::uint32_t parse_mtu(std::string_view text, std::string_view value) {
    // Every IPv4 link carries 68 bytes (RFC 791, 3.2), and no IPv4 packet is longer than 65535.
    constexpr std::uint32_t least = 68, most = 65535;
    std::uint32_t mtu = 0;
    const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), mtu);
    if (error != std::errc{} || end != value.data() + value.size() || mtu < least || mtu > most)
        refuse(text, fmt::format("the MTU \"{}\" is not a number from {} to {}", value, least, most));
    return mtu;
}

Device find_wire(std::string_view text, std::string_view rest) {
    const bool ends_in_comma = rest.ends_with(',');
    const auto name = take_part(rest);
    if (name.empty()) refuse(text, "the wire has no name");
    soft::WireOptions options;
    bool has_mac = false, has_mtu = false;
    while (!rest.empty()) {
        const auto part = take_part(rest);
        const auto equals = part.find('=');
        const auto key = part.substr(0, equals);
        const auto value = equals == std::string_view::npos ? std::string_view{} : part.substr(equals + 1);
        bool* seen = key == "mac" ? &has_mac : key == "mtu" ? &has_mtu : nullptr;
        if (!seen || equals == std::string_view::npos) refuse(text, fmt::format("\"{}\" is no option of a wire", part));
        if (std::exchange(*seen, true)) refuse(text, fmt::format("{} is given twice", key));
        if (seen == &has_mac)
            options.mac = parse_nic_mac(text, value);
        else
            options.mtu = parse_mtu(text, value);
    }
    if (ends_in_comma) refuse(text, "nothing follows the last comma");
    auto device = soft::wire_device(name, options);
    device.name = text;
    return device;
}

Device find_packet(std::string_view text, std::string_view interface) {
    if (!verbs::is_interface_name(interface))
        refuse(text, interface.empty() ? "the interface has no name" : "no interface can have that name");
    if (!interface_exists(interface)) not_there(text, fmt::format("no such interface: {}", interface));
    auto device = soft::packet_device(interface);
    device.name = text;
    return device;
}
#endif

Device find_interface(std::string_view name, const verbs::Discovery& hardware) {
    if (auto device = hardware.find(name); device.handle) return device;
    if (!interface_exists(name)) {
        for (const auto& device : hardware.list())
            if (name == device.name || name == device.handle->name)
                not_there(name, fmt::format("no such interface, but a verbs device: use ibv:{}", name));
        if (!verbs::is_interface_name(name)) refuse(name, "no interface can have that name");
        not_there(name, fmt::format("no such interface or device: {}", name));
    }
#if PKTVERBS_SOFT
    auto device = soft::packet_device(name);
    device.note = fmt::format("{0} has no verbs device: using the soft device packet:{0}", name);
    return device;
#else
    not_there(name, fmt::format("{} has no verbs device, and this library was built without the soft device", name));
#endif
}

/// Appends a packet device for each Ethernet-like interface that is up; loopback last.
void append_packet_devices([[maybe_unused]] std::vector<Device>& devices) {
#if PKTVERBS_SOFT
    ifaddrs* first = nullptr;
    if (::getifaddrs(&first) != 0) return;
    const std::unique_ptr<ifaddrs, void (*)(ifaddrs*)> owner{first, ::freeifaddrs};
    for (const int type : {ARPHRD_ETHER, ARPHRD_LOOPBACK}) {
        for (const ifaddrs* entry = first; entry; entry = entry->ifa_next) {
            if (!entry->ifa_addr || entry->ifa_addr->sa_family != AF_PACKET || !(entry->ifa_flags & IFF_UP)) continue;
            if (reinterpret_cast<const sockaddr_ll*>(entry->ifa_addr)->sll_hatype != type) continue;
            try {
                devices.push_back(soft::packet_device(entry->ifa_name));
            } catch (const std::system_error&) {
                // It went away since getifaddrs() saw it.
            }
        }
    }
#endif
}

}  // namespace

Device find_device(std::string_view text, const verbs::Discovery& hardware) {
    if (text.empty()) refuse(text, "it is empty");
    const auto colon = text.find(':');
    if (colon == std::string_view::npos) return find_interface(text, hardware);

    const auto prefix = text.substr(0, colon);
    const auto rest = text.substr(colon + 1);
    if (prefix == "ibv") {
        if (!verbs::PortName::parse(rest)) refuse(text, "after ibv: comes NAME or NAME/PORT, with PORT 1 to 255");
        return hardware.device(rest);
    }
#if PKTVERBS_SOFT
    if (prefix == "packet") return find_packet(text, rest);
    if (prefix == "wire") return find_wire(text, rest);
#else
    if (prefix == "packet" || prefix == "wire") refuse(text, "this library was built without the soft device");
#endif
    refuse(text, fmt::format("prefix \"{}:\" isn't known", prefix));
}

std::vector<Device> list_devices(const verbs::Discovery& hardware) {
    auto devices = hardware.list();
    std::erase_if(devices, [&](const Device& device) { return !hardware.is_ethernet(device); });
    append_packet_devices(devices);
    return devices;
}

Device find_device(std::string_view text) { return find_device(text, verbs::Discovery::system()); }

std::vector<Device> list_devices() { return list_devices(verbs::Discovery::system()); }

}  // namespace pktverbs
