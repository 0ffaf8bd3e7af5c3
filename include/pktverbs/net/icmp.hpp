// SPDX-License-Identifier: Apache-2.0
// Icmp: the header of ICMP (RFC 792) and of ICMPv6 (RFC 4443), which look alike, seen in place; Echo as a value.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include <pktverbs/net/checksum.hpp>
#include <pktverbs/net/header_view.hpp>

namespace pktverbs::net {

// Not the system's: netinet/ip_icmp.h and linux/icmp.h can't both be included, and which is the user's choice.
namespace icmp_type {
inline constexpr std::uint8_t echo_reply = 0;
inline constexpr std::uint8_t echo_request = 8;
}  // namespace icmp_type
namespace icmpv6_type {
inline constexpr std::uint8_t echo_request = 128;
inline constexpr std::uint8_t echo_reply = 129;
}  // namespace icmpv6_type

/// What a template is made of: an echo request or reply, ICMP's or ICMPv6's as the IP header has it.
struct Echo {
    bool is_reply = false;
    std::uint16_t identifier = 0;
};

/// Eight bytes, of which every message has four and almost every one the rest (RFC 792; RFC 4443, 2.1). There is no
/// length field: the IP payload's end is the message's.
template <FrameByte Byte>
class IcmpHeaderView : public HeaderView<Byte> {
public:
    static constexpr std::size_t size = 8;

    static constexpr Extent measure(ConstBytes message) noexcept {
        return message.size() < size ? Extent{} : Extent{size, message.size()};
    }

    constexpr std::uint8_t type() const noexcept { return this->get8(0); }
    constexpr std::uint8_t code() const noexcept { return this->get8(1); }
    constexpr std::uint16_t checksum() const noexcept { return this->get16(2); }
    /// Of an echo request or reply.
    constexpr std::uint16_t identifier() const noexcept { return this->get16(4); }
    constexpr std::uint16_t sequence() const noexcept { return this->get16(6); }

    constexpr void set_type(std::uint8_t type) const noexcept requires(!std::is_const_v<Byte>) { this->put(0, type); }
    constexpr void set_checksum(std::uint16_t checksum) const noexcept requires(!std::is_const_v<Byte>) {
        this->put(2, checksum);
    }
    constexpr void set_sequence(std::uint16_t sequence) const noexcept requires(!std::is_const_v<Byte>) {
        this->put(6, sequence);
    }

protected:
    constexpr IcmpHeaderView() noexcept = default;
    constexpr IcmpHeaderView(std::span<Byte> message, const Extent& measured) noexcept
        : HeaderView<Byte>{message, measured} {}
};

template <FrameByte Byte = const std::uint8_t>
class IcmpView : public IcmpHeaderView<Byte> {
public:
    constexpr IcmpView() noexcept = default;
    constexpr explicit IcmpView(std::span<Byte> message) noexcept : IcmpView{message, IcmpView::measure(message)} {}
    /// `measured` must be what measure() said of these bytes.
    constexpr IcmpView(std::span<Byte> message, const Extent& measured) noexcept
        : IcmpHeaderView<Byte>{message, measured} {}

    constexpr bool is_echo_request() const noexcept {
        return this->type() == icmp_type::echo_request && this->code() == 0;
    }
    constexpr bool is_echo_reply() const noexcept { return this->type() == icmp_type::echo_reply && this->code() == 0; }
    /// Over the whole message; there is no pseudo-header.
    constexpr bool checksum_is_right() const noexcept { return InternetSum{}.add(this->packet()).is_right(); }
};
template <std::ranges::contiguous_range Range>
IcmpView(Range&&) -> IcmpView<ByteOf<Range>>;

/// Its checksum needs the addresses too: see Headers::transport_checksum().
template <FrameByte Byte = const std::uint8_t>
class Icmpv6View : public IcmpHeaderView<Byte> {
public:
    constexpr Icmpv6View() noexcept = default;
    constexpr explicit Icmpv6View(std::span<Byte> message) noexcept
        : Icmpv6View{message, Icmpv6View::measure(message)} {}
    /// `measured` must be what measure() said of these bytes.
    constexpr Icmpv6View(std::span<Byte> message, const Extent& measured) noexcept
        : IcmpHeaderView<Byte>{message, measured} {}

    constexpr bool is_echo_request() const noexcept {
        return this->type() == icmpv6_type::echo_request && this->code() == 0;
    }
    constexpr bool is_echo_reply() const noexcept {
        return this->type() == icmpv6_type::echo_reply && this->code() == 0;
    }
};
template <std::ranges::contiguous_range Range>
Icmpv6View(Range&&) -> Icmpv6View<ByteOf<Range>>;

}  // namespace pktverbs::net
