// SPDX-License-Identifier: Apache-2.0
// Layout: the chunks that a packet's bytes are divided into, and where they lie in memory.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include <pktverbs/export.hpp>
#include <pktverbs/memory/region.hpp>

namespace pktverbs {

/// Divides each packet into chunks that lie in different memory: say the first 42 bytes here, the next 8192 there.
///
/// A value, built chunk by chunk. A frame fills the chunks in order; a frame longer than all of them fails with
/// IBV_WC_LOC_LEN_ERR. An empty layout means one chunk of Options::max_packet_size bytes in the library's own memory.
class PKTVERBS_EXPORT Layout {
public:
    /// The largest number of chunks.
    static constexpr std::size_t max_chunks = 4;

    /// Where the chunks of successive packets lie in a region.
    struct Spacing {
        /// Bytes from one packet's chunk to the next packet's: at least the chunk's bytes. 0: the chunk's bytes,
        /// rounded up to `alignment`.
        std::size_t stride = 0;
        /// Alignment of the first chunk, a power of two.
        std::size_t alignment = 64;
    };
    /// A part of each packet.
    struct Chunk {
        std::uint32_t bytes = 0;    ///< its length
        bool is_own = true;         ///< in the library's own memory
        Region region = {};         ///< else the memory that it lies in
        Spacing spacing = {0, 64};  ///< how it lies there
    };

    /// Adds a chunk in the library's own memory. A chunk of 0 bytes, for sending only, is a place for
    /// SendPkt::attach().
    Layout& chunk(std::uint32_t bytes) { return add({.bytes = bytes, .is_own = true, .region = {}, .spacing = {}}); }
    /// Adds a chunk in a region of the program's: packet after packet from its start, queue after queue. The region
    /// must have room for all packets. Throws std::length_error for the fifth chunk.
    Layout& chunk(std::uint32_t bytes, const Region& region, Spacing spacing = {0, 64}) {
        return add({.bytes = bytes, .is_own = false, .region = region, .spacing = spacing});
    }

    /// Returns the chunks, in order.
    std::span<const Chunk> chunks() const noexcept { return {chunks_.data(), count_}; }
    /// Returns the bytes of all chunks together.
    std::size_t bytes() const noexcept;
    /// Whether there is no chunk.
    bool empty() const noexcept { return count_ == 0; }

private:
    Layout& add(const Chunk& chunk);

    std::array<Chunk, max_chunks> chunks_;
    std::size_t count_ = 0;
};

}  // namespace pktverbs
