// SPDX-License-Identifier: Apache-2.0
// ParkedPackets: packets that wait in spare buffers until their slots are free.
#pragma once

#include <infiniband/verbs.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include <pktverbs/ring/ring_geometry.hpp>
#include <pktverbs/ring/ring_writer.hpp>

#include "ring/ring_slot_index.hpp"

namespace pktverbs {

/// At most one packet for each slot, and never more than there are spares. It never allocates after its constructor.
class __attribute__((visibility("hidden"))) ParkedPackets {
public:
    /// A packet's own buffers: for header and payload, or payload alone.
    using Buffers = std::array<ibv_sge, 2>;
    struct Parked {
        Buffers buffers;
        RingSlot info;
        const std::uint8_t* header() const noexcept { return reinterpret_cast<const std::uint8_t*>(buffers[0].addr); }
        const std::uint8_t* payload() const noexcept { return reinterpret_cast<const std::uint8_t*>(buffers[1].addr); }
    };

    /// For `packets` spares at most.
    ParkedPackets(const RingGeometry& geometry, std::uint32_t packets);

    bool contains(const RingSlotIndex& at) const noexcept {
        return count_ != 0 && places_[std::size_t{at.block} * slots_ + at.slot] != 0;
    }
    /// Copies a packet for that slot to a spare.
    void add(const RingSlotIndex& at, const RingSlot& info, const std::uint8_t* header,
             const std::uint8_t* payload) noexcept;
    /// Takes out the slot's packet. Its bytes stay until its buffers, which are a spare again, are used.
    Parked take(const RingSlotIndex& at) noexcept;

    /// Whether all packets' own buffers are here, spare or in use.
    bool has_all() const noexcept { return spares_.size() + count_ == packets_.size(); }
    void put_spare(const Buffers& buffers) noexcept { spares_.push_back(buffers); }
    Buffers take_spare() noexcept {
        const Buffers buffers = spares_.back();
        spares_.pop_back();
        return buffers;
    }

private:
    std::uint32_t& place(const RingSlotIndex& at) noexcept { return places_[std::size_t{at.block} * slots_ + at.slot]; }

    const std::uint32_t slots_;
    const std::uint32_t header_bytes_;
    std::vector<std::uint32_t> places_;  ///< by slot: index in packets_, plus 1
    std::vector<Parked> packets_;
    std::vector<std::uint32_t> free_;  ///< indexes in packets_
    std::uint32_t count_ = 0;
    std::vector<Buffers> spares_;
};

}  // namespace pktverbs
