// SPDX-License-Identifier: Apache-2.0
// AddressRewrite: other addresses in a frame, with the checksums that depend on them.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include <pktverbs/address/mac_address.hpp>
#include "base/ip_address.hpp"

namespace tool {

/// A value.
struct AddressRewrite {
    std::optional<pktverbs::MacAddress> src_mac, dst_mac;
    std::optional<IpAddress> src, dst;

    /// Changes a whole frame in place: IP addresses of the same version behind any VLAN tags, the IPv4 header's
    /// checksum and those of TCP, UDP and ICMPv6, by what they differ (RFC 1624): one that was wrong stays wrong. What
    /// is no IP packet, or is cut short, keeps what it has besides MAC addresses.
    void apply(std::span<std::uint8_t> frame) const noexcept;
};

}  // namespace tool
