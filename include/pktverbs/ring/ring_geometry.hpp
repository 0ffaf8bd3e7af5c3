// SPDX-License-Identifier: Apache-2.0
// RingGeometry: how many blocks a ring has, and what is in one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include <pktverbs/export.hpp>

namespace pktverbs {

/// Sizes of a BlockRing, as its maker chooses them. A frame's first header_bytes go to its slot in the headers, the
/// rest to its slot in the payloads.
struct RingGeometry {
    std::uint32_t blocks = 16;           ///< 2 to 4096
    std::uint32_t block_slots = 256;     ///< packets per block, 1 to 2^20
    std::uint32_t header_bytes = 0;      ///< kept apart from the payload, 0 to 2^16
    std::uint32_t payload_bytes = 9216;  ///< most that follows the header, 1 to 2^24
    std::uint32_t header_stride = 0;     ///< bytes from one header to the next; 0: header_bytes, rounded up to 64
    std::uint32_t payload_stride = 0;    ///< bytes from one payload to the next; 0: payload_bytes, rounded up to 64

    bool operator==(const RingGeometry&) const = default;
    /// With the strides that stand for 0. Throws std::system_error (EINVAL) if a size is out of its range.
    PKTVERBS_EXPORT RingGeometry checked() const;
    /// "16 blocks of 256 slots, headers 42 bytes every 64, payloads 8192 bytes every 8192".
    PKTVERBS_EXPORT std::string to_string() const;
};

}  // namespace pktverbs
