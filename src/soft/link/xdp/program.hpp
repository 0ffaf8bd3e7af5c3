// SPDX-License-Identifier: Apache-2.0
// Program: an interface's XDP program, made of flows.
#pragma once

#include <linux/bpf.h>

#include <span>
#include <vector>

#include "soft/steering/flow_match.hpp"

namespace pktverbs::soft::xdp {

/// Whether a program can do what the flow asks for: a frame goes to us or to the kernel, never to both, so nothing can
/// get copies.
inline bool is_possible(const FlowMatch& flow) noexcept {
    return flow.type != IBV_FLOW_ATTR_SNIFFER && !flow.dont_trap;
}

/// A program that redirects exactly the frames that FlowTable::steer() does not find unmatched to the socket which
/// `sockets`, an XSKMAP, has for their queue, and passes all others to the kernel. A frame that a flow drops without
/// counting is dropped at once. Flows are in the order of steering, and possible. `otherwise` is done with a matched
/// frame of a queue without a socket. Frames shorter than an Ethernet header are passed.
///
/// It needs Linux 5.18, CAP_BPF and CAP_NET_ADMIN, and not CAP_PERFMON, without which pointers may not be moved by
/// variable amounts (sanitize_ptr_alu() in kernel/bpf/verifier.c): headers are copied to the stack.
std::vector<bpf_insn> compile_program(std::span<const FlowMatch* const> flows, int sockets,
                                      xdp_action otherwise = XDP_PASS);

}  // namespace pktverbs::soft::xdp
