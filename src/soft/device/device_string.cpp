// SPDX-License-Identifier: Apache-2.0
#include "soft/device/device_string.hpp"

#include <cerrno>
#include <cstdint>
#include <optional>
#include <utility>

#include <fmt/core.h>

#include <pktverbs/verbs/error.hpp>
#include <pktverbs/verbs/gid.hpp>

#include "base/parse_decimal.hpp"
#include "base/take_part.hpp"
#include "interface/interface.hpp"
#include "interface/interface_name.hpp"
#include "soft/device/soft_device.hpp"

namespace pktverbs::soft {

namespace {

/// Reads one string; what it says when it can't is the caller's business.
class Reader {
public:
    Reader(std::string_view text, std::string_view forms) noexcept : text_{text}, forms_{forms} {}

    DeviceString read() {
        const auto colon = text_.find(':');
        const auto prefix = text_.substr(0, colon);
        if (colon == std::string_view::npos) refuse("no \":\" is in it");
        rest_ = text_.substr(colon + 1);
        DeviceString device;
        device.text = text_;
        if (prefix == "packet")
            read_packet(device);
        else if (prefix == "wire")
            read_wire(device);
        else
            refuse(fmt::format("prefix \"{}:\" isn't known", prefix));
        return device;
    }

private:
    [[noreturn]] void refuse(std::string_view reason) const {
        verbs::throw_message(
            EINVAL, fmt::format("cannot read the device string \"{}\": {} (the forms are {})", text_, reason, forms_));
    }

    void read_packet(DeviceString& device) const {
        if (!is_interface_name(rest_))
            refuse(rest_.empty() ? "the interface has no name" : "no interface can have that name");
        device.kind = DeviceString::Kind::packet;
        device.name = rest_;
    }

    void read_wire(DeviceString& device) {
        device.kind = DeviceString::Kind::wire;
        const bool ends_in_comma = rest_.ends_with(',');
        device.name = take_part(rest_, ',');
        if (device.name.empty()) refuse("the wire has no name");
        bool has_mac = false, has_mtu = false, has_checksums = false;
        while (!rest_.empty()) {
            const auto part = take_part(rest_, ',');
            const auto equals = part.find('=');
            const auto key = part.substr(0, equals);
            const auto value = equals == std::string_view::npos ? std::string_view{} : part.substr(equals + 1);
            if (equals == std::string_view::npos) refuse(fmt::format("\"{}\" is no option of a wire", part));
            if (key == "mac") {
                once(has_mac, key);
                device.wire.mac = read_mac(value);
            } else if (key == "mtu") {
                once(has_mtu, key);
                device.wire.mtu = read_mtu(value);
            } else if (key == "checksums") {
                once(has_checksums, key);
                device.wire.verify_checksums = read_checksums(value);
            } else if (key == "ip") {
                device.wire.addresses.push_back(read_address(value));
            } else {
                refuse(fmt::format("\"{}\" is no option of a wire", part));
            }
        }
        if (ends_in_comma) refuse("nothing follows the last comma");
    }

    void once(bool& seen, std::string_view key) const {
        if (std::exchange(seen, true)) refuse(fmt::format("{} is given twice", key));
    }

    MacAddress read_mac(std::string_view value) const {
        const auto mac = MacAddress::parse(value);
        if (!mac) refuse(fmt::format("\"{}\" is no MAC address", value));
        if (mac->is_multicast() || mac->is_zero())
            refuse(fmt::format("a NIC can't have {} as its MAC address", mac->to_string()));
        return *mac;
    }

    std::uint32_t read_mtu(std::string_view value) const {
        // Every IPv4 link carries 68 bytes (RFC 791, 3.2), and no IPv4 packet is longer than 65535.
        constexpr std::uint32_t least = 68, most = 65535;
        const auto mtu = parse_decimal<std::uint32_t>(value);
        if (!mtu || *mtu < least || *mtu > most)
            refuse(fmt::format("the MTU \"{}\" is not a number from {} to {}", value, least, most));
        return *mtu;
    }

    bool read_checksums(std::string_view value) const {
        if (value != "trust" && value != "verify")
            refuse(fmt::format("checksums are \"trust\" or \"verify\", not \"{}\"", value));
        return value == "verify";
    }

    Ipv6Address read_address(std::string_view value) const {
        if (const auto address = Ipv4Address::parse(value)) return verbs::to_mapped(*address);
        const auto address = Ipv6Address::parse(value);
        if (!address) refuse(fmt::format("\"{}\" is no IP address", value));
        return *address;
    }

    std::string_view text_;
    std::string_view forms_;
    std::string_view rest_;
};

}  // namespace

bool DeviceString::is_prefix(std::string_view prefix) noexcept { return prefix == "packet" || prefix == "wire"; }

DeviceString DeviceString::parse(std::string_view text, std::string_view forms) { return Reader{text, forms}.read(); }

verbs::Device DeviceString::find() const {
    if (kind == Kind::wire) return named(wire_device(name, wire));
    auto interface = Interface::find(name);
    if (!interface)
        verbs::throw_message(ENODEV, fmt::format("cannot find a device for \"{}\": no such interface: {}", text, name));
    return named(packet_device(std::move(interface)));
}

verbs::Device DeviceString::named(verbs::Device device) const {
    device.name = text;
    return device;
}

}  // namespace pktverbs::soft
