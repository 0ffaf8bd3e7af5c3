// SPDX-License-Identifier: Apache-2.0
// Settings: what a memif device string says.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include <pktverbs/address/ipv6_address.hpp>
#include <pktverbs/address/mac_address.hpp>

#include "net/frame_sizes.hpp"
#include "soft/link/memif/message.hpp"
#include "soft/link/memif/socket_name.hpp"

namespace pktverbs::soft::memif {

struct Settings {
    SocketName socket;
    bool is_server = false;
    /// Not known before: the first end listens, the next one connects, and the end that is left alone may listen again.
    bool finds_role = false;
    std::uint32_t id = 0;
    std::string secret = {};
    std::uint16_t queues = 1;
    std::uint32_t buffer_bytes = 2048;  ///< a client's
    std::uint8_t log2_slots = 10;       ///< a client's
    Mode mode = Mode::ethernet;
    std::chrono::nanoseconds reconnect = std::chrono::seconds{2};  ///< a client's
    MacAddress mac = {};
    std::uint32_t mtu = 0;
    std::vector<Ipv6Address> addresses = {};

    /// As the peer reads it.
    std::string interface_name() const { return "memif/" + std::to_string(id); }
    /// The longest that is sent and received, with its header.
    std::uint32_t max_frame() const noexcept { return mtu + max_ethernet_bytes; }
};

}  // namespace pktverbs::soft::memif
