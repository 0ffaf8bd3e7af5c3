// SPDX-License-Identifier: Apache-2.0
// ethernet_fcs: the frame check sequence of an Ethernet frame.
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "base/crc32.hpp"

namespace pktverbs {

/// The four bytes that follow a frame on the cable, in that order (IEEE 802.3, 3.2.9).
inline std::array<std::uint8_t, 4> ethernet_fcs(std::span<const std::uint8_t> frame) noexcept {
    return crc32<ethernet_polynomial>(frame);
}

}  // namespace pktverbs
