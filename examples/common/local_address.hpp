// SPDX-License-Identifier: Apache-2.0
// Local addresses: the IPv4 addresses that the kernel has on an interface.
#pragma once

#include <ifaddrs.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <bit>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string_view>
#include <system_error>
#include <vector>

#include <pktverbs/address/ipv4_address.hpp>
#include <pktverbs/format.hpp>
#include <pktverbs/verbs/device.hpp>
#include "bad_use.hpp"

namespace example {

/// In the kernel's order, each with its subnet's length. Empty without an interface.
inline std::vector<pktverbs::Ipv4Prefix> local_addresses(std::string_view interface) {
    // sockaddr_in holds the address in wire order, so its bytes are copied unchanged.
    auto bytes_of = [](const sockaddr* address) {
        sockaddr_in in{};
        std::memcpy(&in, address, sizeof in);
        pktverbs::Ipv4Address::Bytes bytes{};
        std::memcpy(bytes.data(), &in.sin_addr, bytes.size());
        return bytes;
    };
    ifaddrs* list = nullptr;
    if (getifaddrs(&list) != 0)
        throw std::system_error{errno, std::generic_category(), "cannot list the interfaces' addresses"};
    const std::unique_ptr<ifaddrs, decltype(&freeifaddrs)> owner{list, &freeifaddrs};

    std::vector<pktverbs::Ipv4Prefix> found;
    for (const ifaddrs* entry = list; entry; entry = entry->ifa_next) {
        if (entry->ifa_name != interface || !entry->ifa_addr || !entry->ifa_netmask) continue;
        if (entry->ifa_addr->sa_family != AF_INET) continue;
        int length = 0;
        for (const std::uint8_t byte : bytes_of(entry->ifa_netmask)) length += std::popcount(byte);
        found.push_back({pktverbs::Ipv4Address{bytes_of(entry->ifa_addr)}, static_cast<std::uint8_t>(length)});
    }
    return found;
}

/// Whether an address lies in a prefix's subnet.
inline bool contains(const pktverbs::Ipv4Prefix& subnet, pktverbs::Ipv4Address address) {
    const auto mask = subnet.mask().bytes();
    for (std::size_t i = 0; i < mask.size(); ++i)
        if (((subnet.address.bytes()[i] ^ address.bytes()[i]) & mask[i]) != 0) return false;
    return true;
}

/// The interface's own address on the peer's subnet; or any of its addresses, if `any_will_do` because the peer
/// need not be found by ARP. Throws BadUse if there is none.
inline pktverbs::Ipv4Address choose_source(const pktverbs::Device& device, pktverbs::Ipv4Address peer,
                                           bool any_will_do) {
    const auto own = local_addresses(device.interface);
    for (const auto& prefix : own)
        if (contains(prefix, peer)) return prefix.address;
    if (own.empty()) throw BadUse{fmt::format("{} has no IPv4 address: give --source IP", device.name)};
    if (any_will_do) return own.front().address;
    throw BadUse{
        fmt::format("{} has no IPv4 address on the subnet of {}: give --source IP, or the MAC address of the "
                    "gateway to it",
                    device.name, peer)};
}

}  // namespace example
