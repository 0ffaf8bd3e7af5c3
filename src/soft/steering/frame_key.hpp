// SPDX-License-Identifier: Apache-2.0
// FrameKey: the fields of a frame that flow steering compares.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>

namespace pktverbs::soft {

/// One cache line, matched as eight words. Multi-byte fields are in wire order (big endian). A field that the frame
/// does not have is 0, and its flag is not set.
struct alignas(64) FrameKey {
    /// Which fields the frame has; matched like a field.
    enum Flag : std::uint8_t {
        has_vlan = 1,  ///< vlan_tci
        is_ipv4 = 2,
        is_ipv6 = 4,
        has_ports = 8,     ///< src_port, dst_port: TCP or UDP, and not a fragment
        is_fragment = 16,  ///< one of several, even the first
    };

    std::uint8_t dst_mac[6];
    std::uint16_t ether_type;  ///< after the last VLAN tag; 0 if it is a length (802.3)
    std::uint8_t src_mac[6];
    std::uint16_t vlan_tci;   ///< of the outermost tag: 802.1Q or 802.1ad
    std::uint8_t src_ip[16];  ///< IPv4 in the first four
    std::uint8_t dst_ip[16];
    std::uint16_t src_port;
    std::uint16_t dst_port;
    std::uint32_t flow_label;  ///< IPv6: low 20 bits
    std::uint8_t protocol;     ///< IPv6: after extension headers; 0 if they are truncated
    std::uint8_t tos;          ///< or traffic class
    std::uint8_t ttl;          ///< or hop limit
    std::uint8_t flags;        ///< Flag
    std::uint8_t reserved[4];

    using Words = std::array<std::uint64_t, 8>;
    Words words() const noexcept { return std::bit_cast<Words>(*this); }

    FrameKey& operator|=(const FrameKey& other) noexcept {
        Words all = words();
        for (std::size_t i = 0; const std::uint64_t word : other.words()) all[i++] |= word;
        return *this = std::bit_cast<FrameKey>(all);
    }
    bool operator==(const FrameKey&) const = default;
};
static_assert(sizeof(FrameKey) == 64);

/// Never reads past `frame`; from the first truncated header or wrong length on, fields are left out: the rules are
/// those of net::Headers. Without a complete Ethernet header the key is all zero. Checksums are not verified. A
/// fragment has no ports, not even the first one: NICs match nothing after a fragment's IP header (DPDK's
/// doc/guides/nics/mlx5.rst, limitations: a rule on L4 misses the first fragment; Intel's i40e has a class of packets
/// for fragments beside those of UDP and TCP, I40E_FILTER_PCTYPE_FRAG_IPV4).
FrameKey parse_frame(std::span<const std::uint8_t> frame) noexcept;

}  // namespace pktverbs::soft
