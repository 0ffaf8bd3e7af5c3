// SPDX-License-Identifier: Apache-2.0
// RingGeometry: the number and the size of a ring's blocks.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include <pktverbs/export.hpp>

namespace pktverbs {

/// Sets the sizes of a BlockRing when it is created. The first header_bytes of a frame go to its slot among the
/// headers, the rest to its slot among the payloads.
struct RingGeometry {
    std::uint32_t blocks = 16;           ///< 2 to 4096
    std::uint32_t block_slots = 256;     ///< packets per block, 1 to 2^20
    std::uint32_t header_bytes = 0;      ///< kept apart from the payload, 0 to 2^16
    std::uint32_t payload_bytes = 9216;  ///< room for what follows the header, 1 to 2^24
    std::uint32_t header_stride = 0;     ///< bytes from one header to the next; 0: header_bytes, rounded up to 64
    std::uint32_t payload_stride = 0;    ///< bytes from one payload to the next; 0: payload_bytes, rounded up to 64

    bool operator==(const RingGeometry&) const = default;
    /// Returns the geometry with its strides of 0 filled in. Throws std::system_error (EINVAL) if a size is out of
    /// range.
    PKTVERBS_EXPORT RingGeometry checked() const;
    /// Returns "16 blocks of 256 slots, headers 42 bytes every 64, payloads 8192 bytes every 8192".
    PKTVERBS_EXPORT std::string to_string() const;
};

}  // namespace pktverbs
