// SPDX-License-Identifier: Apache-2.0
// Where fields stand in their headers, in bytes.
#pragma once

#include <cstddef>

namespace pktverbs::fields {

inline constexpr std::size_t ipv4_length = 2, ipv4_id = 4, ipv4_checksum = 10, ipv4_addresses = 12;
inline constexpr std::size_t ipv6_length = 4, ipv6_addresses = 8;
inline constexpr std::size_t udp_length = 4, udp_checksum = 6;

}  // namespace pktverbs::fields
