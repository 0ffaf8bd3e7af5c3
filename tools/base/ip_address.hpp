// SPDX-License-Identifier: Apache-2.0
// IpAddress: an address of either version.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include <pktverbs/address/ipv4_address.hpp>
#include <pktverbs/address/ipv6_address.hpp>
#include <pktverbs/address/mac_address.hpp>
#include <pktverbs/verbs/device.hpp>
#include "common/command_line.hpp"

namespace tool {

using IpAddress = std::variant<pktverbs::Ipv4Address, pktverbs::Ipv6Address>;

std::optional<IpAddress> parse_ip(std::string_view text) noexcept;
std::string to_string(const IpAddress& address);
bool is_ipv6(const IpAddress& address) noexcept;

/// Returns why no station can have the address; empty if one can.
std::string why_no_station(const IpAddress& address);

/// Options that hold the address of one station, or of several.
example::CommandLine::Option add_station(example::CommandLine& app, const std::string& names,
                                         std::optional<IpAddress>& value, const std::string& help);
example::CommandLine::Option add_stations(example::CommandLine& app, const std::string& names,
                                          std::vector<IpAddress>& values, const std::string& help);

/// The addresses of that version that the kernel has on an interface; empty without one.
std::vector<IpAddress> local_addresses(std::string_view interface, bool ipv6);

/// The address to send from to `peer`: the interface's own on the peer's subnet. For IPv6 the link-local address of
/// `mac` will do where there is none. Throws BadUse if there is none for IPv4.
IpAddress choose_source(const pktverbs::Device& device, pktverbs::MacAddress mac, const IpAddress& peer,
                        bool any_will_do);

}  // namespace tool
