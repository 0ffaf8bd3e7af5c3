// SPDX-License-Identifier: Apache-2.0
// An address as an option.
#pragma once

#include <fmt/core.h>

#include <optional>
#include <string>
#include <type_traits>

#include <pktverbs/address/ipv4_address.hpp>
#include <pktverbs/address/mac_address.hpp>
#include "command_line.hpp"

namespace example {

/// An option that holds a MAC address or an IPv4 address.
template <class Address>
CommandLine::Option add_address(CommandLine& app, const std::string& name, std::optional<Address>& value,
                                const std::string& help) {
    static constexpr bool is_mac = std::is_same_v<Address, pktverbs::MacAddress>;
    auto take = [&value](const std::string& text) {
        value = Address::parse(text);
        return value ? std::string{}
                     : fmt::format("'{}' is not {}", text, is_mac ? "a MAC address" : "an IPv4 address");
    };
    return app.add_text(name, take, help).type_name(is_mac ? "MAC" : "IP");
}

/// An option that holds the IPv4 address of one station: no multicast group, not 0.0.0.0, and not the broadcast
/// address.
inline CommandLine::Option add_station(CommandLine& app, const std::string& name,
                                       std::optional<pktverbs::Ipv4Address>& value, const std::string& help) {
    auto take = [&value](const std::string& text) {
        static constexpr pktverbs::Ipv4Address broadcast{{255, 255, 255, 255}};
        value = pktverbs::Ipv4Address::parse(text);
        if (!value) return fmt::format("'{}' is not an IPv4 address", text);
        if (value->is_multicast()) return fmt::format("{} is a multicast group, not the address of a station", text);
        if (value->is_zero() || *value == broadcast) return fmt::format("no station can have the address {}", text);
        return std::string{};
    };
    return app.add_text(name, take, help).type_name("IP");
}

}  // namespace example
