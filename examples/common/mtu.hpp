// SPDX-License-Identifier: Apache-2.0
// MTU: the longest packets that a device's port sends.
#pragma once

#include <fmt/core.h>

#include <cstddef>
#include <cstdint>

#include <pktverbs/context.hpp>
#include <pktverbs/options.hpp>
#include "bad_use.hpp"

namespace example {

/// Options with `packets` buffers each way, long enough for any frame of the device's port.
inline pktverbs::Options options_for(const pktverbs::Device& device, std::uint32_t packets) {
    constexpr std::uint32_t ethernet_header_with_two_vlans = 22;
    pktverbs::Options options{.send_packets = packets, .recv_packets = packets};
    if (device.mtu != 0) options.max_packet_size = device.mtu + ethernet_header_with_two_vlans;
    return options;
}

/// Returns the longest IP packet that the port sends unfragmented.
inline std::size_t max_packet_bytes(const pktverbs::Context& ctx) {
    return ctx.limits().mtu != 0 ? ctx.limits().mtu : ctx.limits().max_packet_size - 14;
}

/// Throws BadUse if the port cannot send an IP packet of that size unfragmented.
inline void check_mtu(const pktverbs::Context& ctx, std::size_t packet_bytes) {
    const std::size_t most = max_packet_bytes(ctx);
    if (packet_bytes > most)
        throw BadUse{fmt::format("packets of {} bytes, IP header included, are longer than the {} bytes that {} takes",
                                 packet_bytes, most, ctx.device().name)};
}

}  // namespace example
