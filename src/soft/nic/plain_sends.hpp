// SPDX-License-Identifier: Apache-2.0
// PlainSends: simple send requests, taken from their caller's list.
#pragma once

#include <infiniband/verbs.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "net/frame_sizes.hpp"
#include "soft/link/link.hpp"
#include "soft/nic/memory_regions.hpp"

namespace pktverbs::soft {

/// A batch of requests that are neither inline nor rewritten, each looked at when it is taken. They were not written to
/// the send queue.
class PlainSends {
public:
    static constexpr std::uint32_t max_taken = 64;

    /// What requests must keep to.
    struct Limits {
        std::uint32_t longest;  ///< bytes of a frame
        std::uint32_t sges;
        unsigned flags;  ///< that requests have besides their own
        const void* queue;
    };
    PlainSends(MemoryRegions::Last memory, const Limits& limits) noexcept
        : memory_{memory}, limits_{limits}, longest_payload_{limits.longest - ethernet_bytes} {}

    /// The next batch: from `wr` on, which may be null, at most `room` requests.
    void begin(ibv_send_wr* wr, std::uint32_t room) noexcept {
        next_ = {wr, 0};
        room_ = std::min(room, max_taken);
        signals_ = 0;
    }

    /// A request of the batch, how many were before it.
    struct Position {
        ibv_send_wr* wr;
        std::uint32_t index;
    };
    Position position() const noexcept { return next_; }
    std::uint32_t left() const noexcept { return room_ - next_.index; }
    /// The frame there if it is simple and in one piece. Otherwise its length is 0.
    [[gnu::always_inline]] RxFrame frame(const Position& at) noexcept {
        if (!at.wr || !is_simple(*at.wr) || at.wr->num_sge != 1) [[unlikely]]
            return {.data = nullptr, .length = 0};
        const ibv_sge& sge = *at.wr->sg_list;
        const bool fits = sge.length - ethernet_bytes <= longest_payload_;
        if (!fits || !memory_.is_at(sge.lkey, sge.addr, sge.length)) [[unlikely]]
            return {.data = nullptr, .length = 0};
        return {.data = reinterpret_cast<const std::uint8_t*>(sge.addr), .length = sge.length};
    }
    bool ready() noexcept { return left() != 0 && frame(next_).length != 0; }
    /// Goes on to the next one.
    [[gnu::always_inline]] void pass(Position& at, std::uint32_t length) noexcept {
        ++at.index;
        if (((at.wr->send_flags | limits_.flags) & IBV_SEND_SIGNALED) != 0)
            signalled_[signals_++] = {at.wr->wr_id, length, at.index};
        at.wr = at.wr->next;
    }
    void take_until(const Position& at) noexcept { next_ = at; }

    /// The same for frames of any number of pieces, all that are ready.
    std::span<const TxFrame> gather(std::array<TxFrame, max_taken>& frames) noexcept;

    /// Since begin().
    std::uint32_t taken() const noexcept { return next_.index; }
    /// The one after those that were taken; may be null.
    ibv_send_wr* next() const noexcept { return next_.wr; }
    /// A request that was taken, and wants a completion.
    struct Signalled {
        std::uint64_t wr_id;
        std::uint32_t length;
        std::uint32_t end;  ///< how many were taken with it
    };
    std::span<const Signalled> signalled() const noexcept { return std::span{signalled_}.first(signals_); }

private:
    static bool is_simple(const ibv_send_wr& request) noexcept {
        constexpr unsigned special = IBV_SEND_INLINE | IBV_SEND_IP_CSUM;
        return request.opcode == IBV_WR_SEND && (request.send_flags & special) == 0;
    }
    std::uint32_t length_of_several(const ibv_send_wr& request) noexcept;
    MemoryRegions::Last memory_;
    const Limits limits_;
    const std::uint32_t longest_payload_;
    Position next_{};
    std::uint32_t room_ = 0;
    std::uint32_t signals_ = 0;
    std::array<Signalled, max_taken> signalled_;
};

}  // namespace pktverbs::soft
