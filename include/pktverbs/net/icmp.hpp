// SPDX-License-Identifier: Apache-2.0
// Icmp: the header of ICMP (RFC 792) and ICMPv6 (RFC 4443), in place; Echo: as values.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include <pktverbs/net/checksum.hpp>
#include <pktverbs/net/header_view.hpp>

namespace pktverbs::net {

// Not the system's: netinet/ip_icmp.h and linux/icmp.h can't both be included, and the choice is the user's.
/// Types of ICMP messages.
namespace icmp_type {
/// An answer to an echo request.
inline constexpr std::uint8_t echo_reply = 0;
/// Asks for an echo reply.
inline constexpr std::uint8_t echo_request = 8;
}  // namespace icmp_type
/// Types of ICMPv6 messages.
namespace icmpv6_type {
/// Asks for an echo reply.
inline constexpr std::uint8_t echo_request = 128;
/// An answer to an echo request.
inline constexpr std::uint8_t echo_reply = 129;
}  // namespace icmpv6_type

/// An echo request or reply as values, for a FrameTemplate; the IP header decides between ICMP and ICMPv6.
struct Echo {
    bool is_reply = false;         ///< a reply, not a request
    std::uint16_t identifier = 0;  ///< tells apart the streams of a sender
};

/// Reads and writes the eight bytes at the start of an ICMP or ICMPv6 message. All messages have the first four bytes,
/// and nearly all have the rest (RFC 792; RFC 4443, 2.1). There is no length field: the message ends with the IP
/// payload.
template <FrameByte Byte>
class IcmpHeaderView : public HeaderView<Byte> {
public:
    static constexpr std::size_t size = 8;

    static constexpr Extent measure(ConstBytes message) noexcept { return measure(message, message.size()); }
    /// Measures a message of `there` bytes, of which `visible` are the first.
    static constexpr Extent measure(ConstBytes visible, std::size_t there) noexcept {
        return visible.size() < size ? Extent{} : Extent{size, there};
    }

    constexpr std::uint8_t type() const noexcept { return this->get8(0); }
    constexpr std::uint8_t code() const noexcept { return this->get8(1); }
    constexpr std::uint16_t checksum() const noexcept { return this->get16(2); }
    /// Returns the identifier of an echo request or reply.
    constexpr std::uint16_t identifier() const noexcept { return this->get16(4); }
    /// Returns the sequence number of an echo request or reply.
    constexpr std::uint16_t sequence() const noexcept { return this->get16(6); }

    constexpr void set_type(std::uint8_t type) const noexcept requires(!std::is_const_v<Byte>) { this->put(0, type); }
    constexpr void set_checksum(std::uint16_t checksum) const noexcept requires(!std::is_const_v<Byte>) {
        this->put(2, checksum);
    }
    constexpr void set_sequence(std::uint16_t sequence) const noexcept requires(!std::is_const_v<Byte>) {
        this->put(6, sequence);
    }

protected:
    /// No header.
    constexpr IcmpHeaderView() noexcept = default;
    /// Views a header of this extent.
    constexpr IcmpHeaderView(std::span<Byte> message, const Extent& measured) noexcept
        : HeaderView<Byte>{message, measured} {}
};

/// Reads and writes an ICMP header in place.
template <FrameByte Byte = const std::uint8_t>
class IcmpView : public IcmpHeaderView<Byte> {
public:
    constexpr IcmpView() noexcept = default;
    constexpr explicit IcmpView(std::span<Byte> message) noexcept : IcmpView{message, IcmpView::measure(message)} {}
    /// Views a header that measure() has measured. `measured` must be its result for these bytes.
    constexpr IcmpView(std::span<Byte> message, const Extent& measured) noexcept
        : IcmpHeaderView<Byte>{message, measured} {}

    /// Whether it is an echo request.
    constexpr bool is_echo_request() const noexcept {
        return this->type() == icmp_type::echo_request && this->code() == 0;
    }
    /// Whether it is an echo reply.
    constexpr bool is_echo_reply() const noexcept { return this->type() == icmp_type::echo_reply && this->code() == 0; }
    /// Whether the checksum of the whole message is right; there is no pseudo-header.
    constexpr bool checksum_is_right() const noexcept { return InternetSum{}.add(this->packet()).is_right(); }
};
template <std::ranges::contiguous_range Range>
IcmpView(Range&&) -> IcmpView<ByteOf<Range>>;

/// Reads and writes an ICMPv6 header in place. Its checksum covers the addresses, too: see
/// Headers::transport_checksum().
template <FrameByte Byte = const std::uint8_t>
class Icmpv6View : public IcmpHeaderView<Byte> {
public:
    constexpr Icmpv6View() noexcept = default;
    constexpr explicit Icmpv6View(std::span<Byte> message) noexcept
        : Icmpv6View{message, Icmpv6View::measure(message)} {}
    /// Views a header that measure() has measured. `measured` must be its result for these bytes.
    constexpr Icmpv6View(std::span<Byte> message, const Extent& measured) noexcept
        : IcmpHeaderView<Byte>{message, measured} {}

    /// Whether it is an echo request.
    constexpr bool is_echo_request() const noexcept {
        return this->type() == icmpv6_type::echo_request && this->code() == 0;
    }
    /// Whether it is an echo reply.
    constexpr bool is_echo_reply() const noexcept {
        return this->type() == icmpv6_type::echo_reply && this->code() == 0;
    }
};
template <std::ranges::contiguous_range Range>
Icmpv6View(Range&&) -> Icmpv6View<ByteOf<Range>>;

}  // namespace pktverbs::net
