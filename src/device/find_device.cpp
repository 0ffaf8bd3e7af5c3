// SPDX-License-Identifier: Apache-2.0
// Finding devices: the meaning of device strings. The only place where hardware and soft devices meet.
#include "device/find_device.hpp"

#include <pktverbs/device.hpp>

#include <net/if_arp.h>

#include <memory>
#include <string>
#include <system_error>
#include <utility>

#include <fmt/core.h>

#include "interface/interface.hpp"
#include "interface/interface_name.hpp"
#include "verbs/device_string.hpp"
#if PKTVERBS_SOFT
#include "soft/device/soft_device.hpp"
#endif

namespace pktverbs {
namespace {

constexpr std::string_view hardware_forms = "INTERFACE, ibv:NAME[/PORT]";

/// Of all device strings.
std::string_view forms() {
#if PKTVERBS_SOFT
    static const std::string all = fmt::format("{}, {}", hardware_forms, soft::LinkString::forms());
    return all;
#else
    return hardware_forms;
#endif
}

[[noreturn]] void refuse_text(std::string_view text, std::string_view reason) {
    verbs::refuse_device_string(text, reason, forms());
}

Device find_interface(std::string_view name, const verbs::Discovery& hardware) {
    auto interface = hardware.find_interface(name);
    if (!interface) {
        for (const auto& device : hardware.list())
            if (name == device.name || name == device.handle->name)
                verbs::no_device_for(name, fmt::format("no such interface, but a verbs device: use ibv:{}", name));
        if (!is_interface_name(name)) refuse_text(name, "no interface can have that name");
        verbs::no_device_for(name, fmt::format("no such interface or device: {}", name));
    }
    if (auto device = hardware.find(interface); device.handle) return device;
#if PKTVERBS_SOFT
    auto device = soft::make_device(std::move(interface));
    device.note = fmt::format("{} has no verbs device: using the soft device {}", name, device.name);
    return device;
#else
    verbs::no_device_for(
        name, fmt::format("{} has no verbs device, and this library was built without the soft device", name));
#endif
}

/// Appends a soft device for each Ethernet-like interface that is up; loopback last.
void append_soft_devices([[maybe_unused]] std::vector<Device>& devices) {
#if PKTVERBS_SOFT
    const auto interfaces = Interface::list();
    for (const int type : {ARPHRD_ETHER, ARPHRD_LOOPBACK})
        for (const auto& interface : interfaces)
            if (interface->found().type == type && (interface->found().flags & IFF_UP) != 0)
                devices.push_back(soft::make_device(interface));
#endif
}

}  // namespace

Device find_device(std::string_view text, const verbs::Discovery& hardware) {
    if (text.empty()) refuse_text(text, "it is empty");
    const auto colon = text.find(':');
    if (colon == std::string_view::npos) return find_interface(text, hardware);

    const auto prefix = text.substr(0, colon);
    const auto rest = text.substr(colon + 1);
    if (prefix == "ibv") {
        if (!verbs::PortName::parse(rest)) refuse_text(text, "after ibv: comes NAME or NAME/PORT, with PORT 1 to 255");
        return hardware.device(rest);
    }
#if PKTVERBS_SOFT
    return soft::make_device(soft::LinkString::parse(text, forms()));
#else
    refuse_text(text,
                fmt::format("prefix \"{}:\" isn't known, and this library was built without the soft device", prefix));
#endif
}

std::vector<Device> list_devices(const verbs::Discovery& hardware) {
    auto devices = hardware.list();
    std::erase_if(devices, [&](const Device& device) { return !hardware.is_ethernet(device); });
    append_soft_devices(devices);
    return devices;
}

Device find_device(std::string_view text) { return find_device(text, verbs::Discovery::system()); }

std::vector<Device> list_devices() { return list_devices(verbs::Discovery::system()); }

std::vector<DeviceKind> list_device_kinds() {
    std::vector<DeviceKind> kinds{{"INTERFACE", "the verbs device behind a network interface, or a soft device on it"},
                                  {"ibv:NAME[/PORT]", "a verbs device, and its port"}};
#if PKTVERBS_SOFT
    for (const auto* kind : soft::link_kinds()) kinds.push_back({kind->form(), std::string{kind->purpose}});
#endif
    return kinds;
}

}  // namespace pktverbs
