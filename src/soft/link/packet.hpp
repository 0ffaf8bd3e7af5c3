// SPDX-License-Identifier: Apache-2.0
// The packet link: frames through AF_PACKET sockets on a Linux interface.
#pragma once

#include <memory>

#include "interface/interface.hpp"
#include "soft/link/link.hpp"

namespace pktverbs::soft {

/// Frames come in the kernel's blocks, so one alone waits for about a millisecond. The interface shows what the
/// kernel's stack would see: with GRO on (ethtool -K INTERFACE gro off), frames of one stream joined to longer ones;
/// and where a virtual interface vouches for checksums (veth does), checksum_ok without anyone having looked.
///
/// It stays on the interface and in its network namespace, whatever that is called and wherever the calling threads
/// are.
///
/// Throws std::system_error: EPERM without CAP_NET_RAW, ENODEV if the interface is gone, EOPNOTSUPP if it isn't
/// Ethernet or loopback, and what the kernel says.
std::unique_ptr<Link> open_packet_link(std::shared_ptr<const Interface> interface);

}  // namespace pktverbs::soft
