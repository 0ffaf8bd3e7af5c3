// SPDX-License-Identifier: Apache-2.0
// InterfaceAddress: an IP address of a network interface.
#pragma once

#include <sys/socket.h>

#include <optional>
#include <string>
#include <vector>

#include <pktverbs/ipv6_address.hpp>

namespace pktverbs::soft {

/// IPv4 as ::ffff:a.b.c.d, as in a GID table; nullopt for other families, and for null.
std::optional<Ipv6Address> read_address(const sockaddr* address) noexcept;

struct InterfaceAddress {
    std::string interface;
    Ipv6Address address;
};

/// Of all interfaces in the calling thread's network namespace; none if the kernel doesn't say.
std::vector<InterfaceAddress> list_interface_addresses();

}  // namespace pktverbs::soft
