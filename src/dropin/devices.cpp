// SPDX-License-Identifier: Apache-2.0
#include "dropin/devices.hpp"

#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <optional>
#include <system_error>
#include <unordered_map>

#include <fmt/core.h>

#include <pktverbs/address/ipv4_address.hpp>
#include <pktverbs/address/ipv6_address.hpp>
#include <pktverbs/verbs/error.hpp>
#include <pktverbs/verbs/gid.hpp>

#include "base/take_part.hpp"
#include "soft/device/soft_device.hpp"
#include "soft/link/faulty.hpp"
#include "soft/link/random_mac.hpp"

namespace pktverbs::dropin {

namespace {

bool is_device_name(std::string_view name) noexcept {
    return !name.empty() && name.size() < IBV_SYSFS_NAME_MAX && name != "." && name != ".." &&
           name.find_first_of("/: ") == std::string_view::npos;
}

/// "packet:eth0" is named packet_eth0, "wire:a?mtu=1500" wire_a, and "pipe:/run/a file" pipe_a_file.
std::string name_of(const soft::LinkString& string) {
    const std::string& whole = string.name();
    std::string name = whole.substr(whole.rfind('/') + 1);  // npos + 1 is 0
    std::ranges::replace_if(
        name, [](char c) { return c == ':' || c == ' '; }, '_');
    return fmt::format("{}_{}", string.kind().prefix, name);
}

/// For a device without an address of its own: no other has it, here or in another program.
MacAddress mac_at(std::size_t place) {
    MacAddress::Bytes bytes = soft::random_mac().bytes();
    bytes[4] = static_cast<std::uint8_t>(place >> 8);
    bytes[5] = static_cast<std::uint8_t>(place);
    return MacAddress{bytes};
}

/// IPv4 as ::ffff:a.b.c.d, as in a GID table; nullopt for other families.
std::optional<Ipv6Address> read_address(const sockaddr& address) noexcept {
    if (address.sa_family == AF_INET) {
        Ipv4Address::Bytes bytes;
        std::memcpy(bytes.data(), &reinterpret_cast<const sockaddr_in&>(address).sin_addr, bytes.size());
        return verbs::to_mapped(Ipv4Address{bytes});
    }
    if (address.sa_family == AF_INET6) {
        Ipv6Address::Bytes bytes;
        std::memcpy(bytes.data(), &reinterpret_cast<const sockaddr_in6&>(address).sin6_addr, bytes.size());
        return Ipv6Address{bytes};
    }
    return std::nullopt;
}

/// A readable text for programs that print it; soft devices are not in sysfs.
template <std::size_t size>
void put(char (&field)[size], std::string_view text) noexcept {
    const auto length = std::min(text.size(), size - 1);
    std::copy_n(text.begin(), length, field);
    field[length] = '\0';
}

}  // namespace

/// The device names given so far. Naming all devices takes linear time: a list may have thousands.
class Devices::Names {
public:
    bool has(const std::string& name) const { return next_.contains(name); }
    void add(const std::string& name) { next_.emplace(name, 2); }

    /// `wanted`, or `wanted` followed by a number from 2, so that the name is unique.
    std::string free_one(const std::string& wanted) {
        const auto taken = next_.find(wanted);
        if (taken == next_.end()) return wanted;
        // Numbers below the next one are taken for good.
        std::string name;
        do name = fmt::format("{}_{}", wanted, taken->second++);
        while (has(name));
        return name;
    }

private:
    std::unordered_map<std::string, unsigned> next_;  ///< by name: the number to try for the next device
};

Devices::Devices(std::string_view text, const std::optional<soft::LinkFaults>& faults,
                 void (*complain)(std::string_view))
    : faults_{faults} {
    Names names;
    while (!text.empty()) {
        const auto part = take_part(text, ';');
        if (part.empty()) continue;
        try {
            add(part, names);
        } catch (const std::system_error& error) {
            complain(error.what());
        }
    }
    for (const auto& device : devices_) {
        places_.emplace(device.get(), list_.size());
        list_.push_back(device.get());
    }
}

void Devices::add(std::string_view text, Names& names) {
    const auto mark = text.find_first_of("=:");
    const bool is_named = mark != std::string_view::npos && text[mark] == '=';
    std::string name{is_named ? take_part(text, '=') : ""};
    static const std::string forms = soft::LinkString::forms("[NAME=]");
    auto string = soft::LinkString::parse(text, forms);
    if (!is_named) name = names.free_one(name_of(string));
    if (!is_device_name(name))
        verbs::throw_message(EINVAL, fmt::format("cannot call a device \"{}\": a name has 1 to {} characters, none of "
                                                 "them a slash, a colon or a space (put NAME= before {})",
                                                 name, IBV_SYSFS_NAME_MAX - 1, text));
    if (names.has(name))
        verbs::throw_message(EINVAL, fmt::format("cannot call a device \"{}\": another one has that name", name));
    // To a program, every open of a device is the same NIC, so it has one address, known in advance.
    string.default_mac = mac_at(devices_.size());
    auto device = std::static_pointer_cast<soft::SoftDevice>(soft::make_device(string).handle);
    if (faults_) soft::make_faulty(device->port, *faults_);
    // A program may block in ibv_get_cq_event(3) once select(2) says that its channel is readable.
    device->port.open = [open = std::move(device->port.open)] {
        auto link = open();
        link->innermost().never_wake_in_vain();
        return link;
    };
    put(device->name, name);
    put(device->dev_name, fmt::format("uverbs_{}", name));
    put(device->dev_path, fmt::format("/sys/class/infiniband_verbs/uverbs_{}", name));
    put(device->ibdev_path, fmt::format("/sys/class/infiniband/{}", name));
    names.add(name);
    devices_.push_back(std::move(device));
}

std::optional<std::size_t> Devices::place_of(const ibv_device* device) const noexcept {
    const auto found = places_.find(device);
    return found == places_.end() ? std::nullopt : std::optional{found->second};
}

bool Devices::owns(const ibv_device* device) const noexcept { return place_of(device).has_value(); }

bool Devices::waits_for_peer(const ibv_device* device) const noexcept {
    return devices_[*place_of(device)]->port.waits_for_peer;
}

__be64 Devices::guid(const ibv_device* device) const noexcept {
    const auto gid = Ipv6Address::link_local(devices_[*place_of(device)]->port.mac()).bytes();
    __be64 guid;
    std::memcpy(&guid, gid.data() + 8, sizeof guid);
    return guid;
}

ibv_device* Devices::find(const sockaddr& address) const {
    const auto wanted = read_address(address);
    if (!wanted) return nullptr;
    const auto has_it = [&](const auto& device) {
        const auto addresses = device->port.addresses();
        return std::ranges::find(addresses, *wanted) != addresses.end();
    };
    const auto found = std::ranges::find_if(devices_, has_it);
    return found == devices_.end() ? nullptr : found->get();
}

}  // namespace pktverbs::dropin
