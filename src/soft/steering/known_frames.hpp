// SPDX-License-Identifier: Apache-2.0
// KnownFrames: where frames were steered, for those that follow them in the same flows.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <span>
#include <vector>

#include <pktverbs/net/ethernet.hpp>

#include "net/frame_sizes.hpp"
#include "soft/steering/frame_key.hpp"
#include "soft/steering/target.hpp"

namespace pktverbs::soft {

class ReceiveQueue;

/// A frame that has the same shape as a remembered one, and the same bits where flows look, would be steered as that
/// one was: to compare these bits in place costs a third of parsing and steering. The shape: untagged IPv4 without
/// options, no fragment, and TCP or UDP, with its whole header. Of frames whose bits have the same hash the last two
/// are known.
class KnownFrames {
public:
    /// Throws std::bad_alloc.
    KnownFrames() { make_room(0); }

    /// With so many flows, frames of most of them can be known: a table of 64 entries to 65536, 4 MiB. Forgets all
    /// frames when the table grows. Throws std::bad_alloc, and then nothing has changed.
    void make_room(std::size_t flows);
    /// The bits at which any flow in force looks. Forgets all frames.
    void look_at(const FrameKey& bits) noexcept;
    /// Until look_at() no frame is known.
    void close() noexcept { bits_ = {}; }
    /// Where a frame goes.
    struct Known {
        QueuePair* queue_pair;
        ReceiveQueue* queue;  ///< the queue pair's own, or one that it spreads frames over
        std::uint32_t tag;
        std::uint32_t least_bytes;  ///< of a frame with all headers
    };
    /// If it has the shape.
    void remember(std::span<const std::uint8_t> frame, const Target& target, ReceiveQueue* queue) noexcept;

    /// Where a remembered frame went, if this one goes there for certain. Valid until the next call of another. Reads
    /// the first least_bytes of the frame alone.
    const Known* recall(std::span<const std::uint8_t> frame) const noexcept {
        const Entry* const entry = find(frame);
        return entry ? &entry->known : nullptr;
    }
    class Reader;

private:
    /// The first bytes of a frame, up to the ports, as they lie there. Not an array: g++ 12 does not unroll its loops.
    struct Words {
        std::uint64_t a, b, c, d, e;

        bool operator==(const Words& other) const noexcept {
            return ((a ^ other.a) | (b ^ other.b) | (c ^ other.c) | (d ^ other.d) | (e ^ other.e)) == 0;
        }
    };
    static constexpr std::uint32_t least_bytes = ethernet_bytes + ipv4_bytes + udp_bytes;
    static constexpr std::size_t ways = 2;  ///< entries for one hash, the last one first

    struct alignas(64) Entry {
        Words seen;
        Known known;
    };
    static_assert(sizeof(Entry) == 64);

    Words look(std::span<const std::uint8_t> frame) const noexcept {
        const std::uint8_t* const at = frame.data();  // word by word: as a whole they'd go through the stack
        return {word(at) & bits_.a, word(at + 8) & bits_.b, word(at + 16) & bits_.c, word(at + 24) & bits_.d,
                word(at + 32) & bits_.e};
    }
    static std::uint64_t word(const std::uint8_t* from) noexcept {
        std::uint64_t word;
        std::memcpy(&word, from, sizeof word);
        return word;
    }
    std::size_t index_of(const Words& seen) const noexcept {
        constexpr std::uint64_t odd = 0x9e3779b97f4a7c15;  // 2^64 over the golden ratio
        // Of the third word flows may look at the TTL alone, which is mostly the same.
        return ((((seen.a ^ seen.b ^ seen.d) * odd) + seen.e) * odd >> shift_) * ways;
    }
    /// Also by the packet's length field. Where it says too much, parse_frame() takes what is there.
    static bool has_bytes(std::span<const std::uint8_t> frame, std::uint32_t least) noexcept {
        return frame.size() >= least && ethernet_bytes + net::load<std::uint16_t>(frame.data() + 16) >= least;
    }
    const Entry* find(std::span<const std::uint8_t> frame) const noexcept;
    void forget() noexcept;

    /// As what no frame looks like: no flow looks at the packet's length, so these bits are always 0.
    static constexpr Entry nobody_{.seen = {.a = 0, .b = 0, .c = ~std::uint64_t{0}, .d = 0, .e = 0},
                                   .known = {.queue_pair = nullptr,
                                             .queue = nullptr,
                                             .tag = 0,
                                             .least_bytes = std::numeric_limits<std::uint32_t>::max()}};

    Words bits_{};
    unsigned shift_ = 0;  ///< of a hash, so that an index is left
    std::vector<Entry> entries_;
};

/// Recalls many frames, each of which is compared with the one before first. For a time without make_room().
class KnownFrames::Reader {
public:
    explicit Reader(const KnownFrames& frames) noexcept : frames_{frames} {}

    /// As KnownFrames::recall().
    [[gnu::always_inline]] const Known* recall(std::span<const std::uint8_t> frame) noexcept {
        if (!follows(frame)) [[unlikely]] {
            const Entry* const found = frames_.find(frame);
            if (!found) return nullptr;
            last_ = found;
        }
        return &last_->known;
    }

private:
    bool follows(std::span<const std::uint8_t> frame) const noexcept {
        return frame.size() >= last_->known.least_bytes && frames_.look(frame) == last_->seen &&
               has_bytes(frame, last_->known.least_bytes);
    }

    const KnownFrames& frames_;
    const Entry* last_ = &nobody_;
};

}  // namespace pktverbs::soft
