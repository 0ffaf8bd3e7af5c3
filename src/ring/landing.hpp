// SPDX-License-Identifier: Apache-2.0
// Landing: finds the slot in which a packet was received, and aims packets at slots.
#pragma once

#include <cassert>
#include <cstdint>

#include <pktverbs/recv_list.hpp>
#include <pktverbs/recv_pkt.hpp>
#include <pktverbs/ring/ring_layout.hpp>
#include <pktverbs/verbs/memory_region.hpp>

#include "ring/block_placer.hpp"

namespace pktverbs {

class __attribute__((visibility("hidden"))) Landing {
public:
    /// `lkey` of the ring's memory.
    Landing(const RingView& view, std::uint32_t lkey) noexcept
        : view_{view},
          lkey_{lkey},
          payload_chunk_{view.geometry().header_bytes != 0 ? 1U : 0U},
          begin_{reinterpret_cast<std::uint64_t>(view.block(0))},
          size_{view.layout().block_stride * view.geometry().blocks} {}

    /// Whether packets have the ring's recv_layout(). Known once the first one has been examined.
    bool is_aimed() const noexcept { return is_aimed_; }

    /// False for a packet whose chunks differ from the ring's: don't examine it.
    bool is_in_one_piece(const RecvPkt& pkt, std::uint32_t length) noexcept {
        if (!known_) [[unlikely]] {
            known_ = true;
            is_aimed_ = has_ring_layout(pkt);
        }
        return is_aimed_ || length <= pkt.target(0).size();
    }
    /// The slot that holds the packet's header, or its payload.
    const std::uint8_t* bytes_of(const RecvPkt& pkt, bool payload) const noexcept {
        const std::uint64_t address = pkt.target(payload && is_aimed_ ? payload_chunk_ : 0).raw().addr;
        return reinterpret_cast<const std::uint8_t*>(address) +
               (payload && !is_aimed_ ? view_.geometry().header_bytes : 0);
    }
    BlockPlacer::Packet look(RecvPkt& pkt, const RingSlot& info) noexcept {
        if (!is_aimed_) {
            const std::uint8_t* const frame = pkt.bytes().data();
            return {frame, frame + view_.geometry().header_bytes, info, {}};
        }
        const std::uint64_t header = pkt.target(0).raw().addr;
        const std::uint64_t payload = payload_address(pkt);
        return {reinterpret_cast<const std::uint8_t*>(header), reinterpret_cast<const std::uint8_t*>(payload), info,
                slot_at(payload)};
    }

    /// Only for packets with the ring's layout, once their contents are no longer needed.
    void aim(RecvList& list, BlockPlacer& placer, std::uint64_t posted_before) noexcept {
        const std::uint32_t header_stride = view_.geometry().header_stride;
        const std::uint32_t payload_stride = view_.geometry().payload_stride;
        ibv_sge header{0, view_.geometry().header_bytes, lkey_};
        ibv_sge payload{0, view_.geometry().payload_bytes, lkey_};
        for (auto pkt = list.begin(); pkt != list.end();) {
            const BlockPlacer::Target target = placer.aim(posted_before);
            header.addr = reinterpret_cast<std::uint64_t>(target.header);
            payload.addr = reinterpret_cast<std::uint64_t>(target.payload);
            std::uint32_t count = 0;
            if (placer.are_all_aimed()) [[likely]] {
                count = move_on(pkt, list.end(), target);
            } else {
                for (; count < target.count && pkt != list.end(); ++count, ++pkt) {
                    if (!is_slot(payload_address(*pkt))) [[unlikely]]
                        placer.put_spare({pkt->target(0).raw(), pkt->target(payload_chunk_).raw()});
                    retarget(*pkt, header, payload);
                    header.addr += header_stride;
                    payload.addr += payload_stride;
                }
            }
            posted_before += count;
            if (count != 0) [[likely]] {
                placer.aimed(count);
                continue;
            }
            if (is_slot(payload_address(*pkt))) {
                const BlockPlacer::Buffers own = placer.take_spare();
                retarget(*pkt, own[0], own[1]);
            }
            ++posted_before;
            ++pkt;
        }
    }

    std::size_t payload_chunk() const noexcept { return payload_chunk_; }
    std::uint32_t payload_stride() const noexcept { return view_.geometry().payload_stride; }
    /// Only for packets with the ring's layout: then these are all of the packet's elements.
    std::uint64_t payload_address(RecvPkt& pkt) const noexcept { return pkt.raw()->sg_list[payload_chunk_].addr; }

private:
    /// Aims packets that are aimed at slots already: only the addresses change. Returns how many.
    std::uint32_t move_on(RecvList::iterator& at, const RecvList::iterator& end,
                          const BlockPlacer::Target& target) const noexcept {
        const std::uint64_t header_stride = payload_chunk_ != 0 ? view_.geometry().header_stride : 0;
        const std::uint64_t payload_stride = view_.geometry().payload_stride;
        const std::size_t chunk = payload_chunk_;
        auto header = reinterpret_cast<std::uint64_t>(payload_chunk_ != 0 ? target.header : target.payload);
        auto payload = reinterpret_cast<std::uint64_t>(target.payload);
        RecvList::iterator pkt = at;
        std::uint32_t count = 0;
        for (; count < target.count && pkt != end; ++count, ++pkt) {
            assert(is_slot(payload_address(*pkt)));
            ibv_sge* const elements = pkt->raw()->sg_list;
            elements[0].addr = header;
            elements[chunk].addr = payload;
            header += header_stride;
            payload += payload_stride;
        }
        at = pkt;
        return count;
    }
    bool has_ring_layout(const RecvPkt& pkt) const noexcept {
        const RingGeometry& geometry = view_.geometry();
        return pkt.chunk_count() == payload_chunk_ + 1 && !pkt.grh() &&
               pkt.target(payload_chunk_).size() == geometry.payload_bytes &&
               (payload_chunk_ == 0 || pkt.target(0).size() == geometry.header_bytes);
    }
    void retarget(RecvPkt& pkt, const ibv_sge& header, const ibv_sge& payload) noexcept {
        if (payload_chunk_ != 0) pkt.retarget(verbs::LocalSlice::unchecked(header), 0);
        pkt.retarget(verbs::LocalSlice::unchecked(payload), payload_chunk_);
    }
    bool is_slot(std::uint64_t address) const noexcept { return address - begin_ < size_; }

    /// Usually it is the one after the last: that saves two divisions.
    RingSlotIndex slot_at(std::uint64_t address) noexcept {
        const RingGeometry& geometry = view_.geometry();
        if (address == expected_ && expected_slot_.slot < geometry.block_slots) [[likely]] {
            expected_ += geometry.payload_stride;
            return {expected_slot_.block, expected_slot_.slot++};
        }
        if (!is_slot(address)) return {};
        const RingLayout& layout = view_.layout();
        const std::uint64_t offset = address - begin_;
        const auto block = static_cast<std::uint32_t>(offset / layout.block_stride);
        const auto slot = static_cast<std::uint32_t>((offset % layout.block_stride - layout.payloads_offset) /
                                                     geometry.payload_stride);
        expected_ = address + geometry.payload_stride;
        expected_slot_ = {block, slot + 1};
        return {block, slot};
    }

    const RingView view_;
    const std::uint32_t lkey_;
    const std::size_t payload_chunk_;
    const std::uint64_t begin_;
    const std::uint64_t size_;
    bool known_ = false;
    bool is_aimed_ = false;
    std::uint64_t expected_ = 0;
    RingSlotIndex expected_slot_;
};

}  // namespace pktverbs
