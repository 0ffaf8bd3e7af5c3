// SPDX-License-Identifier: Apache-2.0
// Checksum: finishes what the kernel left for a NIC to do.
#pragma once

#include <cstdint>
#include <span>

namespace pktverbs::soft {

/// Completes the TCP or UDP checksum of a frame whose checksum field holds only the pseudo-header's sum, as
/// the kernel leaves it for offload. Returns false, and changes nothing, for a frame that isn't such: not
/// IPv4 or IPv6, a fragment, cut short, another protocol, another value in the field.
bool complete_checksum(std::span<std::uint8_t> frame) noexcept;

}  // namespace pktverbs::soft
