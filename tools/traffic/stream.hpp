// SPDX-License-Identifier: Apache-2.0
// Stream: a flow made ready to send.
#pragma once

#include <cstddef>
#include <cstdint>
#include <stop_token>
#include <string>
#include <vector>

#include <pktverbs/context.hpp>
#include <pktverbs/net/frame_template.hpp>
#include "base/flow.hpp"
#include "traffic/sizes.hpp"

namespace tool {

/// The headers of a flow's frames, and their lengths. A value.
struct Stream {
    static constexpr std::size_t number_bytes = 8;  ///< of the sequence number at the payload's start
    static constexpr std::uint16_t default_port = 7148;

    std::string text;  ///< the flow, as it was typed
    pktverbs::net::FrameTemplate headers;
    std::size_t ip_at = 14;  ///< where what the MTU limits begins: behind Ethernet header and tags
    bool has_checksum = false;
    std::vector<std::size_t> payloads;  ///< their lengths, in turn
};

/// Whether the destination's MAC address has to be asked for, for which a context must receive.
bool needs_resolving(const Flow& flow);

/// Finds the addresses that the flow leaves open: its own from the interface, the MAC address of a unicast destination
/// by the kernel, or by ARP where there is none. Throws example::BadUse for flows that nobody can send or that don't
/// fit the port, std::system_error or std::runtime_error if the destination does not answer.
Stream make_stream(pktverbs::Context& ctx, const Flow& flow, const Sizes& sizes, const std::stop_token& stop);

}  // namespace tool
