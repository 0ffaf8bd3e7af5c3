// SPDX-License-Identifier: Apache-2.0
// PacketSettings: what a packet device string says.
#pragma once

#include <chrono>
#include <cstdint>

#include "soft/link/packet_ring.hpp"

namespace pktverbs::soft {

/// What decides which of a link's queues a frame goes to (PACKET_FANOUT of packet(7)).
enum class PacketSpread : std::uint8_t { by_hash, by_processor };

struct PacketSettings {
    static constexpr std::uint32_t max_queues = 16;

    std::uint32_t queues = 1;
    PacketSpread spread = PacketSpread::by_hash;
    bool coalesces = false;  ///< UDP segments travel as super-frames
    std::chrono::milliseconds block_time = PacketRing::default_block_time;
    std::chrono::nanoseconds filter_time = std::chrono::milliseconds{20};  ///< see PacketFlows
};

}  // namespace pktverbs::soft
