// SPDX-License-Identifier: Apache-2.0
// ethernet_fcs: the frame check sequence of an Ethernet frame.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

namespace pktverbs {

/// The four bytes that stand behind a frame on the cable, in their order there (IEEE 802.3, 3.2.9).
inline std::array<std::uint8_t, 4> ethernet_fcs(std::span<const std::uint8_t> frame) noexcept {
    static constexpr auto table = [] {
        std::array<std::uint32_t, 256> made{};
        for (std::uint32_t byte = 0; byte < made.size(); ++byte) {
            std::uint32_t rest = byte;
            for (int bit = 0; bit < 8; ++bit) rest = rest >> 1 ^ (rest & 1 ? 0xedb88320U : 0U);
            made[byte] = rest;
        }
        return made;
    }();
    std::uint32_t crc = 0xffffffff;
    for (const std::uint8_t byte : frame) crc = crc >> 8 ^ table[(crc ^ byte) & 0xff];
    crc = ~crc;
    return {static_cast<std::uint8_t>(crc), static_cast<std::uint8_t>(crc >> 8), static_cast<std::uint8_t>(crc >> 16),
            static_cast<std::uint8_t>(crc >> 24)};
}

}  // namespace pktverbs
