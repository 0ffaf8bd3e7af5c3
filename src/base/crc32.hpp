// SPDX-License-Identifier: Apache-2.0
// crc32: the 32-bit cyclic redundancy checks at the end of frames and in SCTP's checksum field.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

namespace pktverbs {

/// Polynomials, lowest power in the highest bit.
inline constexpr std::uint32_t ethernet_polynomial = 0xedb88320;  // IEEE 802.3, 3.2.9
inline constexpr std::uint32_t crc32c_polynomial = 0x82f63b78;    // Castagnoli's: RFC 9260, appendix A

/// In the byte order that both have on the wire.
template <std::uint32_t polynomial>
std::array<std::uint8_t, 4> crc32(std::span<const std::uint8_t> bytes) noexcept {
    static constexpr auto table = [] {
        std::array<std::uint32_t, 256> made{};
        for (std::uint32_t byte = 0; byte < made.size(); ++byte) {
            std::uint32_t rest = byte;
            for (int bit = 0; bit < 8; ++bit) rest = rest >> 1 ^ (rest & 1 ? polynomial : 0U);
            made[byte] = rest;
        }
        return made;
    }();
    std::uint32_t crc = 0xffffffff;
    for (const std::uint8_t byte : bytes) crc = crc >> 8 ^ table[(crc ^ byte) & 0xff];
    crc = ~crc;
    return {static_cast<std::uint8_t>(crc), static_cast<std::uint8_t>(crc >> 8), static_cast<std::uint8_t>(crc >> 16),
            static_cast<std::uint8_t>(crc >> 24)};
}

}  // namespace pktverbs
