// SPDX-License-Identifier: Apache-2.0
// The packet link: frames through AF_PACKET sockets on a Linux interface.
#pragma once

#include <memory>
#include <string>

#include "soft/link.hpp"

namespace pktverbs::soft {

/// Throws std::system_error: EPERM without CAP_NET_RAW, ENODEV for no such interface, and what the kernel says.
std::unique_ptr<Link> open_packet_link(const std::string& interface);

}  // namespace pktverbs::soft
