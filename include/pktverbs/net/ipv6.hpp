// SPDX-License-Identifier: Apache-2.0
// Ipv6: the IPv6 header (RFC 8200), as values and in place, and the extension headers behind it.
#pragma once

#include <netinet/in.h>

#include <cstddef>
#include <cstdint>
#include <span>

#include <pktverbs/address/ipv6_address.hpp>
#include <pktverbs/net/header_view.hpp>

namespace pktverbs::net {

/// An IPv6 header as values, for a FrameTemplate: without extension headers.
struct Ipv6 {
    Ipv6Address src{};               ///< the source
    Ipv6Address dst{};               ///< the destination
    std::uint8_t hop_limit = 64;     ///< as IPv4's time to live
    std::uint8_t traffic_class = 0;  ///< DSCP in the upper six bits, ECN in the lower two
    std::uint32_t flow_label = 0;    ///< 20 bits
    std::uint8_t next_header = 0;    ///< used only for a payload of no known protocol
};

/// Reads and writes an IPv6 header in place.
///
/// It is a header if its version is 6 and its payload length fits the bytes that are there. A length of 0 means no
/// payload; but with more than 64 KiB behind the header, which the field can't express, the packet ends with the bytes
/// that are there.
template <FrameByte Byte = const std::uint8_t>
class Ipv6View : public HeaderView<Byte> {
public:
    static constexpr std::size_t size = 40;

    constexpr Ipv6View() noexcept = default;
    constexpr explicit Ipv6View(std::span<Byte> packet) noexcept : Ipv6View{packet, measure(packet)} {}
    /// Views a header that measure() has measured. `measured` must be its result for these bytes.
    constexpr Ipv6View(std::span<Byte> packet, const Extent& measured) noexcept : HeaderView<Byte>{packet, measured} {}

    static constexpr Extent measure(ConstBytes packet) noexcept { return measure(packet, packet.size()); }
    /// Measures a packet that may be `there` bytes long, of which `visible` are the first.
    static constexpr Extent measure(ConstBytes visible, std::size_t there,
                                    Lengths lengths = Lengths::of_fields) noexcept {
        if (visible.size() < size || visible[0] >> 4 != 6) return {};
        if (lengths == Lengths::of_frame) return {size, there};
        const std::size_t packet_bytes = size + field_or_all(load<std::uint16_t>(visible.data() + 4), there - size);
        return packet_bytes > there ? Extent{} : Extent{size, packet_bytes};
    }

    /// Returns the traffic class: DSCP in the upper six bits, ECN in the lower two.
    constexpr std::uint8_t traffic_class() const noexcept { return static_cast<std::uint8_t>(this->get16(0) >> 4); }
    /// Returns the flow label, 20 bits.
    constexpr std::uint32_t flow_label() const noexcept { return this->get32(0) & 0xfffff; }
    constexpr std::uint16_t payload_bytes() const noexcept { return this->get16(4); }
    /// Returns the type of what follows directly, which may be an extension header.
    constexpr std::uint8_t next_header() const noexcept { return this->get8(6); }
    constexpr std::uint8_t hop_limit() const noexcept { return this->get8(7); }
    constexpr Ipv6Address src() const noexcept { return this->get_ipv6(8); }
    constexpr Ipv6Address dst() const noexcept { return this->get_ipv6(24); }

    /// Sets the traffic class.
    constexpr void set_traffic_class(std::uint8_t traffic_class) const noexcept requires(!std::is_const_v<Byte>) {
        this->put(0, static_cast<std::uint16_t>((this->get16(0) & 0xf00f) | traffic_class << 4));
    }
    /// Sets the flow label, 20 bits.
    constexpr void set_flow_label(std::uint32_t flow_label) const noexcept requires(!std::is_const_v<Byte>) {
        this->put(0, (this->get32(0) & 0xfff00000) | (flow_label & 0xfffff));
    }
    constexpr void set_hop_limit(std::uint8_t hop_limit) const noexcept requires(!std::is_const_v<Byte>) {
        this->put(7, hop_limit);
    }
    constexpr void set_src(const Ipv6Address& src) const noexcept requires(!std::is_const_v<Byte>) {
        this->put(8, src);
    }
    constexpr void set_dst(const Ipv6Address& dst) const noexcept requires(!std::is_const_v<Byte>) {
        this->put(24, dst);
    }
};
template <std::ranges::contiguous_range Range>
Ipv6View(Range&&) -> Ipv6View<ByteOf<Range>>;

/// What is between an IPv6 header and its payload.
struct ExtensionHeaders {
    std::size_t bytes = 0;      ///< of all extension headers that could be read
    std::uint8_t protocol = 0;  ///< of what follows
    bool is_whole = false;      ///< false: truncated, or more headers than any sender uses; what follows is not known
    bool is_fragment = false;   ///< a fragment of several (one that is alone does not count: RFC 6946)
    bool is_first = true;       ///< false: a later fragment, so what follows is the middle of something
    bool is_routed = false;     ///< the final destination is in a routing header, not in the IPv6 header
};

/// Walks the extension headers (RFC 8200 section 4; RFC 4302 for the authentication header) in `payload`, the first of
/// which is `next`. Encrypted payload (ESP) ends the walk.
constexpr ExtensionHeaders walk_extension_headers(std::uint8_t next, ConstBytes payload) noexcept {
    constexpr int max_headers = 16;  // a bound on the time that one packet can cost
    ExtensionHeaders found{.protocol = next};
    for (int headers = 0;; ++headers) {
        next = found.protocol;
        const bool is_extension = next == IPPROTO_HOPOPTS || next == IPPROTO_ROUTING || next == IPPROTO_FRAGMENT ||
                                  next == IPPROTO_AH || next == IPPROTO_DSTOPTS;
        found.is_whole = !is_extension;
        if (!is_extension || !found.is_first) return found;
        const ConstBytes rest = payload.subspan(found.bytes);
        if (headers == max_headers || rest.size() < 8) return found;

        std::size_t bytes = 8;
        if (next == IPPROTO_FRAGMENT) {
            const auto place = load<std::uint16_t>(rest.data() + 2);
            found.is_first = (place & 0xfff8) == 0;
            found.is_fragment = found.is_fragment || (place & 0xfff9) != 0;
        } else if (next == IPPROTO_AH) {
            bytes = 4 * (std::size_t{rest[1]} + 2);
        } else {
            bytes = 8 * (std::size_t{rest[1]} + 1);
        }
        if (bytes > rest.size()) return found;
        // Byte 3 of a routing header: the number of segments left to visit (RFC 8200, 4.4).
        if (next == IPPROTO_ROUTING && rest[3] != 0) found.is_routed = true;
        found.protocol = rest[0];
        found.bytes += bytes;
    }
}

}  // namespace pktverbs::net
