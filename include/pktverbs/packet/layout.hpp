// SPDX-License-Identifier: Apache-2.0
// Layout: how a packet's bytes are spread over memory.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include <pktverbs/export.hpp>
#include <pktverbs/memory/region.hpp>

namespace pktverbs {

/// A value, built up chunk by chunk: the first 42 bytes of each packet here, the next 8192 there. A frame fills the
/// chunks in their order; one that is longer than all of them fails (IBV_WC_LOC_LEN_ERR). Empty, it means one chunk of
/// Options::max_packet_size bytes in memory of the library's own.
class PKTVERBS_EXPORT Layout {
public:
    static constexpr std::size_t max_chunks = 4;

    /// Where the packets' chunks lie in a region.
    struct Spacing {
        /// Bytes from one packet's chunk to the next packet's; 0: those of the chunk, rounded up to `alignment`. At
        /// least the chunk's.
        std::size_t stride = 0;
        /// Of the first chunk, a power of two.
        std::size_t alignment = 64;
    };
    struct Chunk {
        std::uint32_t bytes = 0;
        bool is_own = true;  ///< in memory of the library's own
        Region region = {};
        Spacing spacing = {0, 64};
    };

    /// In memory of the library's own. Of 0 bytes: only to send, a place for SendPkt::attach().
    Layout& chunk(std::uint32_t bytes) { return add({.bytes = bytes, .is_own = true, .region = {}, .spacing = {}}); }
    /// In a region of the program's, packet after packet from its start, queue after queue; it must have room for all.
    /// Throws std::length_error for the fifth chunk.
    Layout& chunk(std::uint32_t bytes, const Region& region, Spacing spacing = {0, 64}) {
        return add({.bytes = bytes, .is_own = false, .region = region, .spacing = spacing});
    }

    std::span<const Chunk> chunks() const noexcept { return {chunks_.data(), count_}; }
    /// Of all chunks.
    std::size_t bytes() const noexcept;
    bool empty() const noexcept { return count_ == 0; }

private:
    Layout& add(const Chunk& chunk);

    std::array<Chunk, max_chunks> chunks_;
    std::size_t count_ = 0;
};

}  // namespace pktverbs
