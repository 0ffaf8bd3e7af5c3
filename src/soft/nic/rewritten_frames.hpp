// SPDX-License-Identifier: Apache-2.0
// RewrittenFrames: frames that go out with other bytes than the sender's memory has.
#pragma once

#include <infiniband/verbs.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "soft/link/link.hpp"

namespace pktverbs::soft {

/// A batch for the link. The NIC rewrites headers in its own memory, never in the sender's: it copies the first bytes
/// of each frame and sends the rest in place.
class RewrittenFrames {
public:
    static constexpr std::size_t capacity = 32;
    /// How far the NIC looks for headers, and the longest header of segments. rdma-core's tests ask for up to an 800th
    /// of max_tso.
    static constexpr std::size_t max_header = 512;
    static constexpr std::size_t max_sges = 16;

    /// The source of what is sent: one frame, or a header and the payload of several.
    struct Source {
        std::span<const ibv_sge> sges;         ///< at addresses that can be read
        std::uint32_t length = 0;              ///< of all chunks
        bool checksums = false;                ///< to be filled in
        std::uint32_t mss = 0;                 ///< 0: one frame
        std::span<const std::uint8_t> header;  ///< of segments, as find_segment_headers() accepts it
    };

    /// Frames for that queue.
    explicit RewrittenFrames(const void* queue) noexcept : queue_{queue} {}

    /// Frame `index` of a source: 0, or a segment.
    void add(const Source& source, std::uint32_t index) noexcept;

    bool full() const noexcept { return count_ == capacity; }
    std::size_t size() const noexcept { return count_; }
    std::span<const TxFrame> frames() const noexcept { return std::span{frames_}.first(count_); }

private:
    // One more than a send has, for the header.
    using Pieces = std::array<ibv_sge, max_sges + 1>;

    const void* queue_;
    std::size_t count_ = 0;
    std::array<TxFrame, capacity> frames_;
    std::array<Pieces, capacity> pieces_;
    std::array<std::array<std::uint8_t, max_header>, capacity> heads_;
};

}  // namespace pktverbs::soft
