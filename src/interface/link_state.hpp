// SPDX-License-Identifier: Apache-2.0
// LinkState: a network interface's state at one time, as the kernel reports it.
#pragma once

#include <net/if.h>

#include <array>
#include <cstdint>
#include <string_view>

#include <pktverbs/address/mac_address.hpp>

namespace pktverbs {

struct LinkState {
    int index = 0;
    unsigned short type = 0;  ///< ARPHRD_*
    unsigned flags = 0;       ///< IFF_*
    std::uint32_t mtu = 0;
    MacAddress mac;                          ///< all zero if the interface's addresses have another length
    std::array<char, IFNAMSIZ> name_text{};  ///< ends with a zero

    std::string_view name() const noexcept { return name_text.data(); }
    /// Frames pass: the interface is up and has a carrier.
    bool is_up() const noexcept { return (flags & IFF_UP) != 0 && (flags & IFF_RUNNING) != 0; }
    bool is_loopback() const noexcept { return (flags & IFF_LOOPBACK) != 0; }
};

}  // namespace pktverbs
