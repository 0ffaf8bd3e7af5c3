// SPDX-License-Identifier: Apache-2.0
// RingLook: what is in a ring, seen without taking part in it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <pktverbs/ring/block_ring.hpp>
#include <pktverbs/ring/ring_layout.hpp>

namespace tool {

/// A ring of /dev/shm, attached to neither side: its producer and its consumer notice nothing.
///
/// They may write while it is read, so all that it returns was copied first and then checked.
class RingLook {
public:
    /// `name` as in /dev/shm, with or without a slash. Throws std::system_error as BlockRing::attach() does.
    explicit RingLook(const std::string& name);

    /// With a slash at the beginning.
    const std::string& name() const noexcept { return name_; }
    const pktverbs::RingGeometry& geometry() const noexcept { return ring_.geometry(); }
    std::uint64_t bytes() const noexcept { return ring_.memory().size(); }

    struct Side {
        pktverbs::RingPeer state;  ///< present only if its process lives
        std::uint64_t generation, deaths, blocks;
    };
    Side producer() const;
    Side consumer() const;
    bool is_in_use() const;

    /// How many blocks are free, being filled, filled, or being read.
    struct Blocks {
        std::uint32_t free = 0, filling = 0, filled = 0, reading = 0;
    };
    Blocks blocks() const noexcept;

    /// A block that was handed over, as it was at one time.
    struct Block {
        std::uint64_t number;  ///< how many were handed over before
        pktverbs::RingBlockHeader header;
        std::vector<std::uint64_t> bitmap;
        std::vector<pktverbs::RingSlot> slots;
        std::vector<std::uint8_t> headers, payloads;

        bool has(std::uint32_t slot) const noexcept { return (bitmap[slot / 64] >> slot % 64 & 1) != 0; }
    };
    /// The indexes of blocks that are filled or being read, oldest first.
    std::vector<std::uint32_t> handed_over() const;
    /// nullopt if the block was returned or overwritten meanwhile, or contradicts itself. `has_frames`: with the
    /// packets' bytes.
    std::optional<Block> copy(std::uint32_t index, bool has_frames) const;
    /// The first bytes of a packet, and the rest: no more than its slot has, whatever its length says.
    std::span<const std::uint8_t> header(const Block& block, std::uint32_t slot) const noexcept;
    std::span<const std::uint8_t> payload(const Block& block, std::uint32_t slot) const noexcept;

private:
    Side side(pktverbs::RingSide& side, int byte) const;

    std::string name_;
    pktverbs::BlockRing ring_;
    pktverbs::RingView view_;
};

}  // namespace tool
