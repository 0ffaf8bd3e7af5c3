// SPDX-License-Identifier: Apache-2.0
// Ipv4: the IPv4 header (RFC 791), as values and in place.
#pragma once

#include <netinet/in.h>

#include <cstddef>
#include <cstdint>
#include <span>

#include <pktverbs/address/ipv4_address.hpp>
#include <pktverbs/net/checksum.hpp>
#include <pktverbs/net/header_view.hpp>

namespace pktverbs::net {

/// Protocol numbers of IPv4, and of IPv6's next header.
namespace ip_protocol {
/// ICMP.
inline constexpr std::uint8_t icmp = IPPROTO_ICMP;
/// TCP.
inline constexpr std::uint8_t tcp = IPPROTO_TCP;
/// UDP.
inline constexpr std::uint8_t udp = IPPROTO_UDP;
/// ICMPv6.
inline constexpr std::uint8_t icmpv6 = IPPROTO_ICMPV6;
}  // namespace ip_protocol

/// An IPv4 header as values, for a FrameTemplate: without options, not fragmented.
struct Ipv4 {
    Ipv4Address src{};                 ///< the source
    Ipv4Address dst{};                 ///< the destination
    std::uint8_t ttl = 64;             ///< time to live
    std::uint8_t tos = 0;              ///< DSCP in the upper six bits, ECN in the lower two
    bool dont_fragment = true;         ///< routers must not fragment it
    std::uint16_t identification = 0;  ///< RFC 6864 allows any value if nothing is fragmented
    std::uint8_t protocol = 0;         ///< used only for a payload of no known protocol
};

/// Reads and writes an IPv4 header in place.
///
/// It is a header if its version is 4, its header length fits, and its total length is between that and the bytes that
/// are there; so a truncated packet is none. A packet of more than 64 KiB, for which Linux writes a total length of 0,
/// ends with the bytes that are there.
template <FrameByte Byte = const std::uint8_t>
class Ipv4View : public HeaderView<Byte> {
public:
    static constexpr std::size_t size = 20;  ///< without options
    /// The flag of all fragments but the last, in the word of flags and fragment offset.
    static constexpr std::uint16_t more_fragments_bit = 0x2000;
    /// The flag that forbids fragmentation, in the same word.
    static constexpr std::uint16_t dont_fragment_bit = 0x4000;

    constexpr Ipv4View() noexcept = default;
    constexpr explicit Ipv4View(std::span<Byte> packet) noexcept : Ipv4View{packet, measure(packet)} {}
    /// Views a header that measure() has measured. `measured` must be its result for these bytes.
    constexpr Ipv4View(std::span<Byte> packet, const Extent& measured) noexcept : HeaderView<Byte>{packet, measured} {}

    /// Returns the header's length by its own field, which may be right although the packet's is not; 0 if the header
    /// is not whole.
    static constexpr std::size_t measure_header(ConstBytes packet) noexcept {
        if (packet.size() < size || packet[0] >> 4 != 4) return 0;
        const std::size_t header_bytes = 4 * static_cast<std::size_t>(packet[0] & 0x0f);
        return header_bytes < size || header_bytes > packet.size() ? 0 : header_bytes;
    }
    static constexpr Extent measure(ConstBytes packet) noexcept { return measure(packet, packet.size()); }
    /// Measures a packet that may be `there` bytes long, of which `visible` are the first.
    static constexpr Extent measure(ConstBytes visible, std::size_t there,
                                    Lengths lengths = Lengths::of_fields) noexcept {
        const std::size_t header_bytes = measure_header(visible);
        if (header_bytes == 0) return {};
        if (lengths == Lengths::of_frame) return {header_bytes, there};
        const std::size_t total_bytes = field_or_all(load<std::uint16_t>(visible.data() + 2), there);
        return total_bytes < header_bytes || total_bytes > there ? Extent{} : Extent{header_bytes, total_bytes};
    }

    constexpr std::uint8_t tos() const noexcept { return this->get8(1); }
    constexpr std::uint16_t total_bytes() const noexcept { return this->get16(2); }
    constexpr std::uint16_t identification() const noexcept { return this->get16(4); }
    /// Whether routers must not fragment it.
    constexpr bool dont_fragment() const noexcept { return (this->get16(6) & dont_fragment_bit) != 0; }
    /// Whether more fragments follow.
    constexpr bool more_fragments() const noexcept { return (this->get16(6) & more_fragments_bit) != 0; }
    /// Returns where in the packet the fragment belongs, in bytes.
    constexpr std::size_t fragment_offset() const noexcept { return 8 * std::size_t{this->get16(6) & 0x1fffu}; }
    /// Whether it is a fragment, the first and the last included.
    constexpr bool is_fragment() const noexcept { return (this->get16(6) & 0x3fff) != 0; }
    constexpr std::uint8_t ttl() const noexcept { return this->get8(8); }
    constexpr std::uint8_t protocol() const noexcept { return this->get8(9); }
    constexpr std::uint16_t checksum() const noexcept { return this->get16(10); }
    constexpr Ipv4Address src() const noexcept { return this->get_ipv4(12); }
    constexpr Ipv4Address dst() const noexcept { return this->get_ipv4(16); }
    /// Returns the options, as they are in the header.
    constexpr std::span<Byte> options() const noexcept { return this->header().subspan(size); }

    /// Whether the header's checksum is right.
    constexpr bool checksum_is_right() const noexcept { return InternetSum{}.add(this->header()).is_right(); }

    constexpr void set_tos(std::uint8_t tos) const noexcept requires(!std::is_const_v<Byte>) { this->put(1, tos); }
    constexpr void set_identification(std::uint16_t identification) const noexcept requires(!std::is_const_v<Byte>) {
        this->put(4, identification);
    }
    constexpr void set_ttl(std::uint8_t ttl) const noexcept requires(!std::is_const_v<Byte>) { this->put(8, ttl); }
    constexpr void set_checksum(std::uint16_t checksum) const noexcept requires(!std::is_const_v<Byte>) {
        this->put(10, checksum);
    }
    constexpr void set_src(const Ipv4Address& src) const noexcept requires(!std::is_const_v<Byte>) {
        this->put(12, src);
    }
    constexpr void set_dst(const Ipv4Address& dst) const noexcept requires(!std::is_const_v<Byte>) {
        this->put(16, dst);
    }
    /// Computes and sets the header's checksum.
    constexpr void fill_checksum() const noexcept requires(!std::is_const_v<Byte>) {
        set_checksum(0);
        set_checksum(net::checksum(this->header()));
    }
};
template <std::ranges::contiguous_range Range>
Ipv4View(Range&&) -> Ipv4View<ByteOf<Range>>;

}  // namespace pktverbs::net
