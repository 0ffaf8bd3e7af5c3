// SPDX-License-Identifier: Apache-2.0
// InternetSum: the checksum of IP, ICMP, UDP and TCP (RFC 1071), of whole data, of parts and after a change.
#pragma once

#include <bit>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <type_traits>

#include <pktverbs/address/ipv4_address.hpp>
#include <pktverbs/address/ipv6_address.hpp>
#include <pktverbs/net/bytes.hpp>

namespace pktverbs::net {

/// Computes an Internet checksum from parts.
///
/// Parts are added in any order that keeps even offsets even. A part may have an odd length; the next one then starts
/// in the middle of a word. Exact for less than 16 GiB.
class InternetSum {
public:
    /// Adds bytes.
    constexpr InternetSum& add(ConstBytes bytes) noexcept {
        add_memory(words_of(bytes), bytes.size() % 2 != 0);
        return *this;
    }
    /// Adds a number, as it would be in the data.
    template <std::unsigned_integral Number>
    requires(sizeof(Number) == 2 || sizeof(Number) == 4) constexpr InternetSum& add(Number number) noexcept {
        add_memory(memory_order(static_cast<std::uint16_t>(number)), false);
        if constexpr (sizeof(Number) == 4) add_memory(memory_order(static_cast<std::uint16_t>(number >> 16)), false);
        return *this;
    }
    /// Adds an address.
    template <Address Type>
    constexpr InternetSum& add(const Type& address) noexcept {
        return add(ConstBytes{address.bytes()});
    }
    /// Adds another sum, as if its bytes came next.
    constexpr InternetSum& add(const InternetSum& other) noexcept {
        add_memory(other.sum_, other.odd_);
        return *this;
    }

    /// Returns the sum in 16 bits, not inverted. If only the pseudo-header was added, this is the value of the checksum
    /// field in a packet that a NIC shall complete.
    constexpr std::uint16_t folded() const noexcept { return memory_order(fold(sum_)); }
    /// Returns the value for the checksum field; for UDP see udp_checksum().
    constexpr std::uint16_t checksum() const noexcept { return static_cast<std::uint16_t>(~folded()); }
    /// Whether the data, with its checksum, has the right one.
    constexpr bool is_right() const noexcept { return fold(sum_) == 0xffff; }

private:
    /// Byte order does not matter to the sum (RFC 1071, 2.B), so it is kept as this machine reads words from memory.
    static constexpr std::uint16_t memory_order(std::uint16_t word) noexcept {
        if constexpr (std::endian::native == std::endian::little) return swapped(word);
        return word;
    }
    static constexpr std::uint16_t swapped(std::uint16_t word) noexcept {
        return static_cast<std::uint16_t>(word << 8 | word >> 8);
    }
    static constexpr std::uint16_t fold(std::uint64_t sum) noexcept {
        while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
        return static_cast<std::uint16_t>(sum);
    }

    /// Sums four bytes at a time, which compilers turn into vector instructions. No carry is lost below 2^32 words.
    static constexpr std::uint64_t words_of(ConstBytes bytes) noexcept {
        const std::uint8_t* data = bytes.data();
        std::size_t length = bytes.size();
        std::uint64_t sum = 0;
        if (std::is_constant_evaluated()) {
            for (; length >= 2; data += 2, length -= 2) sum += memory_order(load<std::uint16_t>(data));
            // An odd last byte is the first of its word.
            if (length != 0) sum += memory_order(static_cast<std::uint16_t>(data[0] << 8));
            return sum;
        }
        for (; length >= 4; data += 4, length -= 4) {
            std::uint32_t word;
            std::memcpy(&word, data, sizeof word);
            sum += word;
        }
        std::uint32_t rest = 0;
        if (length != 0) std::memcpy(&rest, data, length);
        return sum + rest;
    }

    constexpr void add_memory(std::uint64_t sum, bool odd) noexcept {
        // In the middle of a word, every byte belongs to the other half.
        sum_ += odd_ ? swapped(fold(sum)) : (sum & 0xffffffff) + (sum >> 32);
        odd_ = odd_ != odd;
    }

    std::uint64_t sum_ = 0;
    bool odd_ = false;
};

/// Returns the checksum of bytes whose checksum field is 0. For bytes with their right checksum, returns 0.
constexpr std::uint16_t checksum(ConstBytes bytes) noexcept { return InternetSum{}.add(bytes).checksum(); }

/// Returns the checksum after a 16-bit word of the data changed from `before` to `after` (RFC 1624, equation 3).
constexpr std::uint16_t update_checksum(std::uint16_t checksum, std::uint16_t before, std::uint16_t after) noexcept {
    return InternetSum{}
        .add(static_cast<std::uint16_t>(~checksum))
        .add(static_cast<std::uint16_t>(~before))
        .add(after)
        .checksum();
}
/// Returns the checksum after a 32-bit word at an even offset changed.
constexpr std::uint16_t update_checksum(std::uint16_t checksum, std::uint32_t before, std::uint32_t after) noexcept {
    return InternetSum{}.add(static_cast<std::uint16_t>(~checksum)).add(~before).add(after).checksum();
}
/// Returns the checksum after an address changed, in the header or the pseudo-header.
template <Address Type>
constexpr std::uint16_t update_checksum(std::uint16_t checksum, const Type& before, const Type& after) noexcept {
    const std::uint16_t removed = InternetSum{}.add(before).folded();
    return InternetSum{}
        .add(static_cast<std::uint16_t>(~checksum))
        .add(static_cast<std::uint16_t>(~removed))
        .add(after)
        .checksum();
}

/// Returns a checksum as a UDP header has it: 0xffff instead of 0, which would mean no checksum (RFC 768).
constexpr std::uint16_t udp_checksum(std::uint16_t checksum) noexcept { return checksum == 0 ? 0xffff : checksum; }

/// Returns the sum of the pseudo-header of TCP, UDP and ICMPv6 (RFC 793, RFC 768, RFC 8200 section 8.1), to add a whole
/// segment to. `bytes` is the length of the segment, header and payload.
template <Address Ip>
constexpr InternetSum pseudo_header(const Ip& src, const Ip& dst, std::uint8_t protocol, std::uint32_t bytes) noexcept {
    return InternetSum{}.add(src).add(dst).add(std::uint16_t{protocol}).add(bytes);
}

}  // namespace pktverbs::net
