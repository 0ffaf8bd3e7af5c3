// SPDX-License-Identifier: Apache-2.0
#include "soft/interface_addresses.hpp"

#include <ifaddrs.h>
#include <netinet/in.h>

#include <cstring>
#include <memory>

#include <pktverbs/ipv4_address.hpp>
#include <pktverbs/verbs/gid.hpp>

namespace pktverbs::soft {

std::optional<Ipv6Address> read_address(const sockaddr* address) noexcept {
    if (address && address->sa_family == AF_INET) {
        Ipv4Address::Bytes bytes;
        std::memcpy(bytes.data(), &reinterpret_cast<const sockaddr_in*>(address)->sin_addr, bytes.size());
        return verbs::to_mapped(Ipv4Address{bytes});
    }
    if (address && address->sa_family == AF_INET6) {
        Ipv6Address::Bytes bytes;
        std::memcpy(bytes.data(), &reinterpret_cast<const sockaddr_in6*>(address)->sin6_addr, bytes.size());
        return Ipv6Address{bytes};
    }
    return std::nullopt;
}

std::vector<InterfaceAddress> list_interface_addresses() {
    std::vector<InterfaceAddress> found;
    ifaddrs* first = nullptr;
    if (getifaddrs(&first) != 0) return found;
    const std::unique_ptr<ifaddrs, void (*)(ifaddrs*)> owner{first, freeifaddrs};
    for (const ifaddrs* at = first; at; at = at->ifa_next) {
        if (const auto address = read_address(at->ifa_addr)) found.push_back({at->ifa_name, *address});
    }
    return found;
}

}  // namespace pktverbs::soft
