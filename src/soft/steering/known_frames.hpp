// SPDX-License-Identifier: Apache-2.0
// KnownFrames: where frames were steered, for those that follow them in the same flows.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "net/frame_sizes.hpp"
#include "soft/steering/frame_key.hpp"
#include "soft/steering/known_table.hpp"
#include "soft/steering/target.hpp"

namespace pktverbs::soft {

class ReceiveQueue;

/// The first bytes of a frame, for steering.
struct FrameHead {
    const std::uint8_t* data;
    std::size_t frame_bytes;  ///< the whole frame
    std::size_t bytes;        ///< that can be read at `data`
};

/// A frame that has the same shape as a remembered one, and the same bits where flows look, would be steered as that
/// one was: to compare these bits in place costs a third of parsing and steering. The shape: IPv4 without options, no
/// fragment, or IPv6 without extension headers; with at most one VLAN tag; TCP or UDP, with its whole header. Of
/// untagged frames that are not IP the last flow alone is known.
class KnownFrames {
public:
    /// Where a frame goes.
    struct Known {
        QueuePair* queue_pair = nullptr;
        ReceiveQueue* queue = nullptr;  ///< the queue pair's own, or one that it spreads frames over
        std::uint32_t tag = 0;
        std::uint32_t least_bytes = 0;  ///< of a frame with all headers
    };

    /// Throws std::bad_alloc.
    KnownFrames() { make_room(0); }

    /// With so many flows, frames of most of them can be known: tables of 64 entries to 65536, 12 MiB. Forgets all
    /// frames when they grow. Throws std::bad_alloc.
    void make_room(std::size_t flows);
    /// The bits at which any flow in force looks. Forgets all frames.
    void look_at(const FrameKey& bits) noexcept;
    /// Until look_at() no frame is known.
    void close() noexcept {
        plain_bits_ = {};
        other_bits_ = {};
        last_non_ip_ = {};
    }
    /// If it has the shape.
    void remember(std::span<const std::uint8_t> frame, const Target& target, ReceiveQueue* queue) noexcept;

    /// Where a remembered frame went, if this one goes there for certain. Valid until the next call of another. Needs
    /// 42 bytes of plain IPv4, and 64 of other frames.
    const Known* recall(const FrameHead& frame) const noexcept {
        return find(frame.data, frame.frame_bytes, frame.bytes).known;
    }
    const Known* recall(std::span<const std::uint8_t> frame) const noexcept {
        return recall({frame.data(), frame.size(), frame.size()});
    }
    class Reader;

private:
    /// Untagged IPv4, up to the ports: most frames of most programs.
    using Plain = KnownTable<5, Known>;
    /// All others, the longest up to their ports.
    using Other = KnownTable<8, Known>;
    static_assert(sizeof(Plain::Entry) == 64);

    /// Addresses and type: all that flows look at in an untagged frame that is not IP.
    using EthernetWords = std::array<std::uint64_t, 2>;
    struct NonIp {
        EthernetWords seen{};
        Known known = Plain::nobody.value;
    };

    static constexpr std::uint32_t plain_bytes = ethernet_bytes + ipv4_bytes + udp_bytes;
    static constexpr std::uint32_t other_bytes = sizeof(Other::Words);

    struct Found {
        const Known* known = nullptr;
        const Plain::Entry* plain = nullptr;  ///< its entry, if there
    };
    /// Where frames of a shape have their headers.
    struct Shape {
        std::size_t ip_at;
        bool is_ipv6;
    };
    static constexpr std::array<Shape, 4> shapes{{{ethernet_bytes, false},
                                                  {tagged_ethernet_bytes, false},
                                                  {ethernet_bytes, true},
                                                  {tagged_ethernet_bytes, true}}};
    static constexpr std::size_t plain = 0, non_ip = shapes.size(), none = non_ip + 1;  ///< of shapes, or beyond

    /// By the types alone.
    static std::size_t shape_of(const std::uint8_t* frame, std::size_t bytes) noexcept;
    template <class Words>
    static Words bits_of(const Shape& shape, const FrameKey& looked) noexcept;
    static EthernetWords ethernet_of(const std::uint8_t* frame) noexcept;
    static std::uint32_t least_bytes(const std::uint8_t* frame, const Shape& shape) noexcept;
    /// Whether a packet of so many bytes fits by its length field. Where that says too much, parse_frame() takes what
    /// is there.
    static bool has_packet(const std::uint8_t* frame, const Shape& shape, std::uint32_t least) noexcept {
        const std::size_t bytes = shape.is_ipv6 ? ipv6_bytes + net::load<std::uint16_t>(frame + shape.ip_at + 4)
                                                : net::load<std::uint16_t>(frame + shape.ip_at + 2);
        return shape.ip_at + bytes >= least;
    }
    /// Of a FrameHead's parts: passed in registers.
    Found find(const std::uint8_t* frame, std::size_t frame_bytes, std::size_t bytes) const noexcept;
    void forget() noexcept;

    Plain::Words plain_bits_{};
    std::array<Other::Words, shapes.size()> other_bits_{};
    EthernetWords ethernet_bits_{};
    Plain plain_;
    Other other_;
    mutable const Other::Entry* last_other_ = &Other::nobody;  ///< found last
    NonIp last_non_ip_;
};

/// Recalls many frames, each of which is compared with the one before first. For a time without make_room().
class KnownFrames::Reader {
public:
    explicit Reader(const KnownFrames& frames) noexcept : frames_{frames} {}

    /// As KnownFrames::recall().
    [[gnu::always_inline]] const Known* recall(const FrameHead& frame) noexcept {
        if (follows(frame)) [[likely]]
            return &last_->value;
        const Found found = frames_.find(frame.data, frame.frame_bytes, frame.bytes);
        if (found.plain) last_ = found.plain;
        return found.known;
    }

private:
    [[gnu::always_inline]] bool follows(const FrameHead& frame) const noexcept {
        return frame.frame_bytes >= last_->value.least_bytes &&
               Plain::is_like(frame.data, frames_.plain_bits_, last_->seen) &&
               has_packet(frame.data, shapes[plain], last_->value.least_bytes);
    }

    const KnownFrames& frames_;
    const Plain::Entry* last_ = &Plain::nobody;
};

}  // namespace pktverbs::soft
