// SPDX-License-Identifier: Apache-2.0
// Ipv6: its header (RFC 8200), described as a value and seen in place, and the extension headers behind it.
#pragma once

#include <netinet/in.h>

#include <cstddef>
#include <cstdint>
#include <span>

#include <pktverbs/address/ipv6_address.hpp>
#include <pktverbs/net/header_view.hpp>

namespace pktverbs::net {

/// What a template is made of: no extension headers.
struct Ipv6 {
    Ipv6Address src{};
    Ipv6Address dst{};
    std::uint8_t hop_limit = 64;
    std::uint8_t traffic_class = 0;
    std::uint32_t flow_label = 0;  ///< 20 bits
    std::uint8_t next_header = 0;  ///< only where nothing that is known follows
};

/// A header is one if its version is 6 and its payload length fits the bytes that are there. Of 0, there is no payload;
/// but of more than 64 KiB behind the header, which the field can't say, the packet is all that is there.
template <FrameByte Byte = const std::uint8_t>
class Ipv6View : public HeaderView<Byte> {
public:
    static constexpr std::size_t size = 40;

    constexpr Ipv6View() noexcept = default;
    constexpr explicit Ipv6View(std::span<Byte> packet) noexcept : Ipv6View{packet, measure(packet)} {}
    /// `measured` must be what measure() said of these bytes.
    constexpr Ipv6View(std::span<Byte> packet, const Extent& measured) noexcept : HeaderView<Byte>{packet, measured} {}

    static constexpr Extent measure(ConstBytes packet) noexcept {
        if (packet.size() < size || packet[0] >> 4 != 6) return {};
        const std::size_t packet_bytes =
            size + field_or_all(load<std::uint16_t>(packet.data() + 4), packet.size() - size);
        return packet_bytes > packet.size() ? Extent{} : Extent{size, packet_bytes};
    }

    constexpr std::uint8_t traffic_class() const noexcept { return static_cast<std::uint8_t>(this->get16(0) >> 4); }
    constexpr std::uint32_t flow_label() const noexcept { return this->get32(0) & 0xfffff; }
    constexpr std::uint16_t payload_bytes() const noexcept { return this->get16(4); }
    /// Of what follows directly: an extension header's, if there is one.
    constexpr std::uint8_t next_header() const noexcept { return this->get8(6); }
    constexpr std::uint8_t hop_limit() const noexcept { return this->get8(7); }
    constexpr Ipv6Address src() const noexcept { return this->get_ipv6(8); }
    constexpr Ipv6Address dst() const noexcept { return this->get_ipv6(24); }

    constexpr void set_traffic_class(std::uint8_t traffic_class) const noexcept requires(!std::is_const_v<Byte>) {
        this->put(0, static_cast<std::uint16_t>((this->get16(0) & 0xf00f) | traffic_class << 4));
    }
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

/// What lies between an IPv6 header and its payload.
struct ExtensionHeaders {
    std::size_t bytes = 0;      ///< of all that could be read
    std::uint8_t protocol = 0;  ///< of what follows
    bool is_whole = false;      ///< false: cut short, or more than anybody sends; what follows isn't known
    bool is_fragment = false;   ///< one of several (a fragment that is alone is none: RFC 6946)
    bool is_first = true;       ///< false: a later fragment, what follows is the middle of something
    bool is_routed = false;     ///< the final destination is in a routing header, not in the IPv6 header
};

/// Walks the chain (RFC 8200 section 4; RFC 4302 for the authentication header) in `payload`, of which the first header
/// is `next`. Encrypted payload (ESP) ends it.
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
        // Byte 3 of a routing header: how many segments are left to visit (RFC 8200, 4.4).
        if (next == IPPROTO_ROUTING && rest[3] != 0) found.is_routed = true;
        found.protocol = rest[0];
        found.bytes += bytes;
    }
}

}  // namespace pktverbs::net
