// SPDX-License-Identifier: Apache-2.0
// random_mac: a MAC address for a NIC that has none of its own.
#pragma once

#include <sys/random.h>

#include <cerrno>
#include <system_error>

#include <pktverbs/address/mac_address.hpp>

namespace pktverbs::soft {

/// Locally administered, and different from that of another process. Throws std::system_error.
inline MacAddress random_mac() {
    MacAddress::Bytes bytes{};
    if (getrandom(bytes.data(), bytes.size(), 0) != static_cast<ssize_t>(bytes.size()))
        throw std::system_error{errno, std::generic_category(), "cannot draw a MAC address"};
    bytes[0] = 0x02;
    return MacAddress{bytes};
}

}  // namespace pktverbs::soft
