// SPDX-License-Identifier: Apache-2.0
// RingStats: what became of the packets that a ring receiver got.
#pragma once

#include <cstdint>
#include <string>

#include <pktverbs/export.hpp>

namespace pktverbs {

/// Plain numbers since the receiver was made. Every packet that was received counts once: packets() is the sum of
/// placed, duplicate, late, wild and all that is dropped. When everything is flushed, placed + missing = block_slots.
struct RingStats {
    std::uint64_t placed = 0;     ///< in their slots
    std::uint64_t bytes = 0;      ///< of these, whole frames
    std::uint64_t duplicate = 0;  ///< their slot had a packet already
    std::uint64_t late = 0;       ///< their block had been handed over
    std::uint64_t wild = 0;       ///< far from all the others, and no more like it followed

    std::uint64_t no_block = 0;      ///< dropped: no block was free
    std::uint64_t not_matching = 0;  ///< dropped: no number, or one off the divisor's step; see SequenceField
    std::uint64_t too_long = 0;      ///< dropped: longer than header and payload of a slot
    std::uint64_t failed = 0;        ///< dropped: RecvPkt::status() isn't success

    std::uint64_t blocks = 0;       ///< handed over
    std::uint64_t block_slots = 0;  ///< in these
    std::uint64_t missing = 0;      ///< of these, empty
    std::uint64_t skipped = 0;      ///< sequence numbers between blocks: nothing came where whole blocks would be
    std::uint64_t restarts = 0;     ///< times that the sequence began anew

    std::uint64_t overwritten_blocks = 0;   ///< handed over and taken back, unread
    std::uint64_t overwritten_packets = 0;  ///< in these
    std::uint64_t copied = 0;               ///< of the placed: moved to their slots by the processor
    std::uint64_t waits = 0;                ///< times that packets were held back because no block was free
    std::uint64_t recoveries = 0;           ///< times that the queue was brought back from an error
    std::uint64_t consumer_deaths = 0;      ///< consumers that died over the ring, ever

    std::uint64_t dropped() const noexcept { return no_block + not_matching + too_long + failed; }
    std::uint64_t packets() const noexcept { return placed + duplicate + late + wild + dropped(); }

    /// "placed 10 bytes 640 blocks 1 ...": name and value pairs; those that are 0 when all is well are left out then.
    PKTVERBS_EXPORT std::string to_string() const;
};

}  // namespace pktverbs
