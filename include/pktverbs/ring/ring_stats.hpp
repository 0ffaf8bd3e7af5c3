// SPDX-License-Identifier: Apache-2.0
// RingStats: the counters of a ring receiver.
#pragma once

#include <cstdint>
#include <string>

#include <pktverbs/export.hpp>

namespace pktverbs {

/// Counts what became of the packets that a RingReceiver received, since it was made.
///
/// Every received packet counts once: packets() is the sum of placed, duplicate, late, wild and dropped(). After a
/// flush, placed + missing = block_slots.
struct RingStats {
    std::uint64_t placed = 0;     ///< packets in their slots
    std::uint64_t bytes = 0;      ///< of those, in whole frames
    std::uint64_t duplicate = 0;  ///< packets whose slot had one already
    std::uint64_t late = 0;       ///< packets whose block had been handed over
    std::uint64_t wild = 0;       ///< packets whose number was far from all others and was followed by no other near it

    std::uint64_t no_block = 0;      ///< dropped: no block was free
    std::uint64_t not_matching = 0;  ///< dropped: no number, or one that the divisor rules out; see SequenceField
    std::uint64_t too_long = 0;      ///< dropped: longer than header and payload of a slot
    std::uint64_t failed = 0;        ///< dropped: RecvPkt::status() is not success

    std::uint64_t blocks = 0;       ///< blocks handed over
    std::uint64_t block_slots = 0;  ///< slots in those
    std::uint64_t missing = 0;      ///< empty slots in those
    std::uint64_t skipped = 0;      ///< sequence numbers between blocks: gaps of whole blocks
    std::uint64_t restarts = 0;     ///< times that the sequence started again

    std::uint64_t overwritten_blocks = 0;   ///< blocks handed over and reused before they were read
    std::uint64_t overwritten_packets = 0;  ///< packets in those
    std::uint64_t copied = 0;               ///< of the placed: copied to their slots by the processor
    std::uint64_t waits = 0;                ///< times that packets were held back because no block was free
    std::uint64_t recoveries = 0;           ///< times that the queue was brought back from an error
    std::uint64_t consumer_deaths = 0;      ///< consumers that died while attached to the ring, ever

    /// Returns the number of packets that were dropped.
    std::uint64_t dropped() const noexcept { return no_block + not_matching + too_long + failed; }
    /// Returns the number of packets that were received.
    std::uint64_t packets() const noexcept { return placed + duplicate + late + wild + dropped(); }

    /// Returns "placed 10 bytes 640 blocks 1 ...": pairs of name and value. Counters that are 0 when all is well appear
    /// only when they are not 0.
    PKTVERBS_EXPORT std::string to_string() const;
};

}  // namespace pktverbs
