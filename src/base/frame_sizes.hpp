// SPDX-License-Identifier: Apache-2.0
// How long the parts of an Ethernet frame are, in bytes, and the numbers of what IP carries.
#pragma once

#include <cstdint>

namespace pktverbs {

inline constexpr std::uint32_t ethernet_bytes = 14;
inline constexpr std::uint32_t mac_pair_bytes = 12;  ///< both addresses: what stands before a tag
inline constexpr std::uint32_t vlan_tag_bytes = 4;
inline constexpr std::uint32_t tagged_ethernet_bytes = ethernet_bytes + vlan_tag_bytes;
inline constexpr std::uint32_t ipv6_bytes = 40;  ///< without extension headers

inline constexpr std::uint8_t protocol_tcp = 6;
inline constexpr std::uint8_t protocol_udp = 17;

}  // namespace pktverbs
