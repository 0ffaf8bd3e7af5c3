// SPDX-License-Identifier: Apache-2.0
// Udp: its header (RFC 768), described as a value and seen in place.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include <pktverbs/net/header_view.hpp>

namespace pktverbs::net {

/// What a template is made of.
struct Udp {
    std::uint16_t src_port = 0;
    std::uint16_t dst_port = 0;
    /// False: the field stays 0, for nobody or for the NIC to fill. Over IPv6, receivers drop what has none
    /// (RFC 8200, 8.1).
    bool checksum = true;
};

/// A header is one if its length field lies between 8 and the bytes that are there, or is 0 for more than 64 KiB.
template <FrameByte Byte = const std::uint8_t>
class UdpView : public HeaderView<Byte> {
public:
    static constexpr std::size_t size = 8;

    constexpr UdpView() noexcept = default;
    constexpr explicit UdpView(std::span<Byte> datagram) noexcept : UdpView{datagram, measure(datagram)} {}
    /// `measured` must be what measure() said of these bytes.
    constexpr UdpView(std::span<Byte> datagram, const Extent& measured) noexcept
        : HeaderView<Byte>{datagram, measured} {}

    static constexpr Extent measure(ConstBytes datagram) noexcept {
        if (datagram.size() < size) return {};
        const std::size_t bytes = field_or_all(load<std::uint16_t>(datagram.data() + 4), datagram.size());
        return bytes < size || bytes > datagram.size() ? Extent{} : Extent{size, bytes};
    }

    constexpr std::uint16_t src_port() const noexcept { return this->get16(0); }
    constexpr std::uint16_t dst_port() const noexcept { return this->get16(2); }
    /// Header and payload.
    constexpr std::uint16_t total_bytes() const noexcept { return this->get16(4); }
    /// 0: there is none.
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
