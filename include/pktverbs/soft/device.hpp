// SPDX-License-Identifier: Apache-2.0
// The soft device: a verbs device in software with raw packet queue pairs and flow steering.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include <pktverbs/address/ipv6_address.hpp>
#include <pktverbs/address/mac_address.hpp>
#include <pktverbs/export.hpp>
#include <pktverbs/verbs/device.hpp>

namespace pktverbs::soft {

struct WireOptions {
    /// All zero: one of its own for every open, locally administered.
    MacAddress mac;
    /// Bytes, without the Ethernet header.
    std::uint32_t mtu = 9000;
    /// The IP addresses that the port has GIDs for, IPv4 as ::ffff:a.b.c.d.
    std::vector<Ipv6Address> addresses = {};
    /// The NIC computes the checksums of every frame that it receives, as hardware does; it takes time. Otherwise it
    /// vouches only for those that the sending NIC has just computed, and that were not damaged since.
    bool verify_checksums = false;
};

/// A soft device on the in-memory wire `name`. Every open is a further NIC on that wire.
PKTVERBS_EXPORT verbs::Device wire_device(std::string_view name, const WireOptions& options = {});

/// A soft device on an AF_PACKET socket of a Linux interface, by its name or an alternative one. Every open is a
/// further NIC on that interface, whatever it is called by then, in the network namespace of the thread that calls
/// this; opening needs CAP_NET_RAW. A flow without an exact destination MAC address makes the interface promiscuous
/// while it is installed. Throws std::system_error (ENODEV) for an unknown interface.
PKTVERBS_EXPORT verbs::Device packet_device(std::string_view interface);

/// The soft device's control verbs.
PKTVERBS_EXPORT const verbs::Provider& provider() noexcept;

}  // namespace pktverbs::soft
