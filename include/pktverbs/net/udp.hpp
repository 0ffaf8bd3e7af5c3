// SPDX-License-Identifier: Apache-2.0
// Udp: the UDP header (RFC 768), as values and in place.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include <pktverbs/net/header_view.hpp>

namespace pktverbs::net {

/// A UDP header as values, for a FrameTemplate.
struct Udp {
    std::uint16_t src_port = 0;  ///< the source port
    std::uint16_t dst_port = 0;  ///< the destination port
    /// False: the field stays 0, for no checksum or for the NIC to fill. Over IPv6, receivers drop datagrams without
    /// one (RFC 8200, 8.1).
    bool checksum = true;
};

/// Reads and writes a UDP header in place. It is a header if its length field is between 8 and the bytes that are
/// there, or is 0 with more than 64 KiB there.
template <FrameByte Byte = const std::uint8_t>
class UdpView : public HeaderView<Byte> {
public:
    static constexpr std::size_t size = 8;

    constexpr UdpView() noexcept = default;
    constexpr explicit UdpView(std::span<Byte> datagram) noexcept : UdpView{datagram, measure(datagram)} {}
    /// Views a header that measure() has measured. `measured` must be its result for these bytes.
    constexpr UdpView(std::span<Byte> datagram, const Extent& measured) noexcept
        : HeaderView<Byte>{datagram, measured} {}

    static constexpr Extent measure(ConstBytes datagram) noexcept { return measure(datagram, datagram.size()); }
    /// Measures a datagram that may be `there` bytes long, of which `visible` are the first.
    static constexpr Extent measure(ConstBytes visible, std::size_t there,
                                    Lengths lengths = Lengths::of_fields) noexcept {
        if (visible.size() < size) return {};
        if (lengths == Lengths::of_frame) return {size, there};
        const std::size_t bytes = field_or_all(load<std::uint16_t>(visible.data() + 4), there);
        return bytes < size || bytes > there ? Extent{} : Extent{size, bytes};
    }

    constexpr std::uint16_t src_port() const noexcept { return this->get16(0); }
    constexpr std::uint16_t dst_port() const noexcept { return this->get16(2); }
    /// Returns the length of header and payload.
    constexpr std::uint16_t total_bytes() const noexcept { return this->get16(4); }
    /// Returns the checksum; 0 if there is none.
    constexpr std::uint16_t checksum() const noexcept { return this->get16(6); }

    constexpr void set_src_port(std::uint16_t port) const noexcept requires(!std::is_const_v<Byte>) {
        this->put(0, port);
    }
    constexpr void set_dst_port(std::uint16_t port) const noexcept requires(!std::is_const_v<Byte>) {
        this->put(2, port);
    }
    constexpr void set_checksum(std::uint16_t checksum) const noexcept requires(!std::is_const_v<Byte>) {
        this->put(6, checksum);
    }
};
template <std::ranges::contiguous_range Range>
UdpView(Range&&) -> UdpView<ByteOf<Range>>;

}  // namespace pktverbs::net
