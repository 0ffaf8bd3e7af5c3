// SPDX-License-Identifier: Apache-2.0
// HeaderView: what the views of all headers have in common: where the header is, and what it carries.
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

/// How far a header and what it carries reach; all zero where there is none.
struct Extent {
    std::size_t header_bytes = 0;  ///< options included
    std::size_t packet_bytes = 0;  ///< header and payload, as its own length fields have it

    friend constexpr bool operator==(const Extent&, const Extent&) noexcept = default;
};

template <class Byte>
concept FrameByte = std::same_as<Byte, std::uint8_t> || std::same_as<Byte, const std::uint8_t>;

/// The byte type of a view over a vector, an array, a span.
template <std::ranges::contiguous_range Range>
using ByteOf = std::remove_reference_t<std::ranges::range_reference_t<Range>>;

/// What a length field of 16 bits means where `there` bytes could be counted: itself; or all of them if it is 0 and
/// there are more than it can say (RFC 2675 for IPv6 and UDP, Linux's BIG TCP for both IPs). A jumbogram's option isn't
/// looked at: such a packet ends with its frame.
constexpr std::size_t field_or_all(std::uint16_t field, std::size_t there) noexcept {
    return field == 0 && there > 0xffff ? there : field;
}

/// A view owns nothing: the bytes must outlive it. It tests false where no whole header was; its fields must not be
/// asked for then. Its extent was checked once, when it was made, so no later change of the bytes takes it out of
/// bounds. Over `std::uint8_t` it has setters too: they set the field and nothing else, no checksum.
template <FrameByte Byte>
class HeaderView {
public:
    constexpr explicit operator bool() const noexcept { return header_bytes_ != 0; }

    /// The header itself, options included.
    constexpr std::span<Byte> header() const noexcept { return packet_.first(header_bytes_); }
    /// What follows it, up to where its length field says; padding is not part of it.
    constexpr std::span<Byte> payload() const noexcept { return packet_.subspan(header_bytes_); }
    /// Both.
    constexpr std::span<Byte> packet() const noexcept { return packet_; }

    /// A copy of the header's beginning as the system's structure: copy_as<iphdr>(). In network byte order.
    template <class System>
    requires std::is_trivially_copyable_v<System> System copy_as()
    const noexcept {
        assert(sizeof(System) <= header_bytes_);
        System copy;
        std::memcpy(&copy, packet_.data(), sizeof copy);
        return copy;
    }

protected:
    constexpr HeaderView() noexcept = default;
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
