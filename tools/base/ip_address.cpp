// SPDX-License-Identifier: Apache-2.0
#include "ip_address.hpp"

#include <fmt/format.h>
#include <ifaddrs.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <bit>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <memory>
#include <system_error>
#include <vector>

#include "common/local_address.hpp"

namespace tool {

using pktverbs::Ipv4Address;
using pktverbs::Ipv6Address;
using pktverbs::Ipv6Prefix;

namespace {

std::vector<Ipv6Prefix> local_ipv6(std::string_view interface) {
    const auto bytes_of = [](const sockaddr* address) {
        sockaddr_in6 in{};
        std::memcpy(&in, address, sizeof in);
        Ipv6Address::Bytes bytes{};
        std::memcpy(bytes.data(), &in.sin6_addr, bytes.size());
        return bytes;
    };
    ifaddrs* list = nullptr;
    if (getifaddrs(&list) != 0)
        throw std::system_error{errno, std::generic_category(), "cannot list the interfaces' addresses"};
    const std::unique_ptr<ifaddrs, decltype(&freeifaddrs)> owner{list, &freeifaddrs};
    std::vector<Ipv6Prefix> found;
    for (const ifaddrs* entry = list; entry; entry = entry->ifa_next) {
        if (entry->ifa_name != interface || !entry->ifa_addr || !entry->ifa_netmask) continue;
        if (entry->ifa_addr->sa_family != AF_INET6) continue;
        int length = 0;
        for (const std::uint8_t byte : bytes_of(entry->ifa_netmask)) length += std::popcount(byte);
        found.push_back({Ipv6Address{bytes_of(entry->ifa_addr)}, static_cast<std::uint8_t>(length)});
    }
    return found;
}

bool contains(const Ipv6Prefix& prefix, const Ipv6Address& address) {
    const auto mask = prefix.mask().bytes();
    for (std::size_t i = 0; i < mask.size(); ++i)
        if (((prefix.address.bytes()[i] ^ address.bytes()[i]) & mask[i]) != 0) return false;
    return true;
}

std::string take_station(const std::string& text, std::optional<IpAddress>& value) {
    value = parse_ip(text);
    return value ? why_no_station(*value) : fmt::format("'{}' is not an IPv4 or IPv6 address", text);
}

}  // namespace

std::optional<IpAddress> parse_ip(std::string_view text) noexcept {
    if (const auto address = Ipv4Address::parse(text)) return *address;
    if (const auto address = Ipv6Address::parse(text)) return *address;
    return std::nullopt;
}

std::string to_string(const IpAddress& address) {
    return std::visit([](const auto& ip) { return ip.to_string(); }, address);
}

bool is_ipv6(const IpAddress& address) noexcept { return std::holds_alternative<Ipv6Address>(address); }

std::string why_no_station(const IpAddress& address) {
    static constexpr Ipv4Address broadcast{{255, 255, 255, 255}};
    const auto text = to_string(address);
    if (std::visit([](const auto& ip) { return ip.is_multicast(); }, address))
        return fmt::format("{} is a multicast group, not the address of a station", text);
    if (std::visit([](const auto& ip) { return ip.is_zero(); }, address) || address == IpAddress{broadcast})
        return fmt::format("no station can have the address {}", text);
    return {};
}

example::CommandLine::Option add_station(example::CommandLine& app, const std::string& names,
                                         std::optional<IpAddress>& value, const std::string& help) {
    auto take = [&value](const std::string& text) { return take_station(text, value); };
    return app.add_text(names, take, help).type_name("IP");
}

example::CommandLine::Option add_stations(example::CommandLine& app, const std::string& names,
                                          std::vector<IpAddress>& values, const std::string& help) {
    auto take = [&values](const std::string& text) {
        std::optional<IpAddress> value;
        auto refusal = take_station(text, value);
        if (refusal.empty()) values.push_back(*value);
        return refusal;
    };
    return app.add_texts(names, take, help).type_name("IP");
}

std::vector<IpAddress> local_addresses(std::string_view interface, bool ipv6) {
    std::vector<IpAddress> found;
    if (interface.empty()) return found;
    if (ipv6)
        for (const auto& prefix : local_ipv6(interface)) found.emplace_back(prefix.address);
    else
        for (const auto& prefix : example::local_addresses(interface)) found.emplace_back(prefix.address);
    return found;
}

IpAddress choose_source(const pktverbs::Device& device, pktverbs::MacAddress mac, const IpAddress& peer,
                        bool any_will_do) {
    if (const auto* const ipv4 = std::get_if<Ipv4Address>(&peer))
        return example::choose_source(device, *ipv4, any_will_do);
    const auto& ipv6 = std::get<Ipv6Address>(peer);
    if (!device.interface.empty())
        for (const auto& prefix : local_ipv6(device.interface))
            if (contains(prefix, ipv6)) return prefix.address;
    return Ipv6Address::link_local(mac);
}

}  // namespace tool
