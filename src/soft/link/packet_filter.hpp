// SPDX-License-Identifier: Apache-2.0
// Packet filter: a socket's classic BPF program, made from flows.
#pragma once

#include <linux/filter.h>

#include <span>
#include <vector>

#include "soft/steering/flow_match.hpp"

namespace pktverbs::soft {

/// A program for SO_ATTACH_FILTER that accepts every frame that at least one of the flows matches, whole, and
/// refuses what none of them matches, with exceptions that are rare: frames cut short or malformed, frames with
/// more than one VLAN tag, IPv6 frames with extension headers are looked at less closely. Fragments that a flow
/// misses for its ports alone are accepted, so that the device can count them. Flows that drop take nothing. It accepts
/// everything if there are more flows than the kernel's 4096 instructions hold.
std::vector<sock_filter> compile_packet_filter(std::span<const FlowMatch* const> flows);

/// The program that accepts every frame.
std::vector<sock_filter> accept_all_filter();

}  // namespace pktverbs::soft
