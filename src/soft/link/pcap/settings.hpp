// SPDX-License-Identifier: Apache-2.0
// Settings: what a pcap device string says.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <pktverbs/address/ipv6_address.hpp>
#include <pktverbs/address/mac_address.hpp>

#include "net/frame_sizes.hpp"

namespace pktverbs::soft::pcap {

struct Settings {
    std::string in;                 ///< empty: nothing arrives
    std::string out;                ///< empty: what is sent is dropped
    bool at_recorded_times = true;  ///< false: as fast as receives are posted
    double speed = 1;               ///< of the recorded times
    std::uint64_t rounds = 1;       ///< 0: without end
    MacAddress mac = {};
    std::uint32_t mtu = 0;
    std::vector<Ipv6Address> addresses = {};

    std::uint32_t max_frame() const noexcept { return mtu + max_ethernet_bytes; }
};

}  // namespace pktverbs::soft::pcap
