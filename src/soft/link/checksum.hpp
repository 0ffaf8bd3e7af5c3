// SPDX-License-Identifier: Apache-2.0
// Checksum: finishes what a sender on this machine left for its NIC to do.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace pktverbs::soft {

/// The one checksum of a frame that is left unfinished, as the kernel says where (csum_start and csum_offset:
/// Documentation/networking/checksum-offloads.rst).
struct UnfinishedChecksum {
    std::size_t start = 0;   ///< of what it is over, in the frame; that ends with the packet
    std::size_t offset = 0;  ///< from there: the field, which holds the pseudo-header's sum
    /// The frame is several, for a NIC to cut; a tunnel's header around them has no whole checksum, either.
    bool segmented = false;
};

/// Finishes it, in whatever it is: TCP or UDP, GRE, the same inside tunnels, SCTP. A tunnel's own checksum was made by
/// the kernel so that it is right then (local checksum offload); only around segments it is left to be finished, too:
/// UDP's and GRE's, of the outermost header. Returns whether the frame is of TCP or UDP and has a checksum that is
/// right now; for a tunnel in UDP, that is the outer one. What doesn't fit into the frame is left alone: false.
bool finish_checksum(std::span<std::uint8_t> frame, const UnfinishedChecksum& left) noexcept;

}  // namespace pktverbs::soft
