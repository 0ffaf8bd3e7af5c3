// SPDX-License-Identifier: Apache-2.0
// HeaderView: the base of the views of all headers: the extent of a header and of its payload.
#pragma once

#include <cassert>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <ranges>
#include <span>
#include <type_traits>

#include <pktverbs/address/ipv4_address.hpp>
#include <pktverbs/address/ipv6_address.hpp>
#include <pktverbs/address/mac_address.hpp>
#include <pktverbs/net/bytes.hpp>

namespace pktverbs::net {

/// The length of a header, alone and with its payload; all zero if there is no header.
struct Extent {
    std::size_t header_bytes = 0;  ///< options included
    std::size_t packet_bytes = 0;  ///< header and payload, by the header's own length fields

    friend constexpr bool operator==(const Extent&, const Extent&) noexcept = default;
};

/// The bytes that a view reads, or reads and writes.
template <class Byte>
concept FrameByte = std::same_as<Byte, std::uint8_t> || std::same_as<Byte, const std::uint8_t>;

/// The byte type of a view over a vector, an array or a span.
template <std::ranges::contiguous_range Range>
using ByteOf = std::remove_reference_t<std::ranges::range_reference_t<Range>>;

/// Returns what a 16-bit length field means if it could count `there` bytes: its value, or all of them if it is 0 and
/// there are more than it can express (RFC 2675 for IPv6 and UDP, Linux's BIG TCP for both IPs). The option of a
/// jumbogram is ignored: such a packet ends with its frame.
constexpr std::size_t field_or_all(std::uint16_t field, std::size_t there) noexcept {
    return field == 0 && there > 0xffff ? there : field;
}

/// What gives a packet's length: its header's length fields, or the end of what it lies in, whatever the fields say.
enum class Lengths : bool { of_fields, of_frame };

/// Gives access to a header in place.
///
/// It owns nothing: the bytes must outlive it. It tests false if there was no whole header; its fields must not be read
/// then. Its extent was checked once, when it was made, so later changes of the bytes never make it leave its bounds.
/// Over `std::uint8_t` it has setters, too; they set the field and nothing else, no checksum.
template <FrameByte Byte>
class HeaderView {
public:
    /// Whether there is a whole header.
    constexpr explicit operator bool() const noexcept { return header_bytes_ != 0; }

    /// Returns the header itself, options included.
    constexpr std::span<Byte> header() const noexcept { return packet_.first(header_bytes_); }
    /// Returns what follows the header, as far as its length field says; without padding.
    constexpr std::span<Byte> payload() const noexcept { return packet_.subspan(header_bytes_); }
    /// Returns header and payload.
    constexpr std::span<Byte> packet() const noexcept { return packet_; }

    /// Returns a copy of the start of the header as a structure of the system, as in copy_as<iphdr>(). In network byte
    /// order.
    template <class System>
    requires std::is_trivially_copyable_v<System> System copy_as()
    const noexcept {
        assert(sizeof(System) <= header_bytes_);
        System copy;
        std::memcpy(&copy, packet_.data(), sizeof copy);
        return copy;
    }

protected:
    /// No header.
    constexpr HeaderView() noexcept = default;
    /// Views a header of this extent.
    constexpr HeaderView(std::span<Byte> bytes, const Extent& extent) noexcept
        : packet_{bytes.first(extent.packet_bytes)}, header_bytes_{extent.header_bytes} {}

    template <class Type>
    constexpr Type get(std::size_t at) const noexcept {
        assert(at + sizeof(Type) <= header_bytes_);
        return load<Type>(packet_.data() + at);
    }
    constexpr std::uint8_t get8(std::size_t at) const noexcept { return this->template get<std::uint8_t>(at); }
    constexpr std::uint16_t get16(std::size_t at) const noexcept { return this->template get<std::uint16_t>(at); }
    constexpr std::uint32_t get32(std::size_t at) const noexcept { return this->template get<std::uint32_t>(at); }
    constexpr MacAddress get_mac(std::size_t at) const noexcept { return this->template get<MacAddress>(at); }
    constexpr Ipv4Address get_ipv4(std::size_t at) const noexcept { return this->template get<Ipv4Address>(at); }
    constexpr Ipv6Address get_ipv6(std::size_t at) const noexcept { return this->template get<Ipv6Address>(at); }
    template <class Type>
    constexpr void put(std::size_t at, const Type& value) const noexcept {
        assert(at + sizeof(Type) <= header_bytes_);
        store(packet_.data() + at, value);
    }

private:
    std::span<Byte> packet_;
    std::size_t header_bytes_ = 0;
};

}  // namespace pktverbs::net
