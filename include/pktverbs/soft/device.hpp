// SPDX-License-Identifier: Apache-2.0
// The soft device: a verbs device in software, with raw packet queue pairs and flow steering.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include <pktverbs/address/ipv6_address.hpp>
#include <pktverbs/address/mac_address.hpp>
#include <pktverbs/export.hpp>
#include <pktverbs/verbs/device.hpp>

namespace pktverbs::soft {

/// Selects the port of a soft device on a wire.
struct WireOptions {
    /// All zero: each open has a locally administered one of its own.
    MacAddress mac;
    /// In bytes, without the Ethernet header.
    std::uint32_t mtu = 9000;
    /// The IP addresses that the port has GIDs for, IPv4 ones mapped ("::ffff:a.b.c.d").
    std::vector<Ipv6Address> addresses = {};
    /// The NIC computes the checksums of every received frame, as hardware does, which takes time. Otherwise it vouches
    /// only for those that the sending NIC has just computed, and that were not damaged since.
    bool verify_checksums = false;
};

/// Returns a soft device on the in-memory wire `name`. Every open adds a NIC to that wire.
PKTVERBS_EXPORT verbs::Device wire_device(std::string_view name, const WireOptions& options = {});

/// Returns a soft device on an AF_PACKET socket of a Linux interface, by its name or an alternative name. Every open
/// adds a NIC to that interface, even if it has been renamed, in the network namespace of the thread that calls this.
/// Opening needs CAP_NET_RAW. A flow without an exact destination MAC address makes the interface promiscuous while it
/// is installed. Throws std::system_error (ENODEV) for an unknown interface.
PKTVERBS_EXPORT verbs::Device packet_device(std::string_view interface);

/// Returns the soft device's control verbs.
PKTVERBS_EXPORT const verbs::Provider& provider() noexcept;

}  // namespace pktverbs::soft
