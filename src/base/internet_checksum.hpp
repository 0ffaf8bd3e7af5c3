// SPDX-License-Identifier: Apache-2.0
// The Internet checksum (RFC 1071), and the checksums of IPv4, TCP and UDP in a frame.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

#include "base/frame_headers.hpp"

namespace pktverbs {

/// Sums 16-bit words in the order they have in memory: the byte order doesn't matter (RFC 1071, section 2).
class InternetSum {
public:
    /// The next bytes; a piece may begin in the middle of a word.
    void add(std::span<const std::uint8_t> bytes) noexcept {
        std::uint64_t sum = 0;
        const std::uint8_t* at = bytes.data();
        std::size_t left = bytes.size();
        // Four bytes at a time: no carry is lost below 2^32 of them.
        for (; left >= 4; at += 4, left -= 4) {
            std::uint32_t word;
            std::memcpy(&word, at, sizeof word);
            sum += word;
        }
        std::uint32_t rest = 0;
        if (left != 0) std::memcpy(&rest, at, left);
        const std::uint16_t folded = fold(sum + rest);
        sum_ += odd_ ? static_cast<std::uint16_t>(folded << 8 | folded >> 8) : folded;
        odd_ = odd_ != (bytes.size() % 2 != 0);
    }
    /// A number that is in network order already.
    void add_word(std::uint32_t in_network_order) noexcept { sum_ += in_network_order; }

    std::uint16_t folded() const noexcept { return fold(sum_); }
    /// As it is written to a checksum field, by memcpy.
    std::uint16_t checksum() const noexcept { return static_cast<std::uint16_t>(~folded()); }

private:
    static std::uint16_t fold(std::uint64_t sum) noexcept {
        while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
        return static_cast<std::uint16_t>(sum);
    }

    std::uint64_t sum_ = 0;
    bool odd_ = false;
};

using ByteSpan = std::span<const std::uint8_t>;

/// Adds both addresses, the length and the protocol (RFC 9293, 3.1; RFC 8200, 8.1). `head`: where `headers` were found.
void add_pseudo_header(InternetSum& sum, ByteSpan head, const FrameHeaders& headers, std::size_t length) noexcept;

/// Fills in the checksum of the IPv4 header, and TCP's or UDP's over IPv4 or IPv6, of a frame that is `head` and then
/// all of `rest`. Headers must lie in `head`. Returns whether TCP's or UDP's was; a fragment has none to fill in.
bool fill_checksums(std::span<std::uint8_t> head, std::span<const ByteSpan> rest) noexcept;

/// Whether the frame carries TCP or UDP with a checksum, and that and IPv4's are right. UDP without one (RFC 768) was
/// verified by nobody: false. In pieces as above.
bool checksums_right(ByteSpan head, std::span<const ByteSpan> rest = {}) noexcept;

}  // namespace pktverbs
