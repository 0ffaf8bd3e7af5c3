// SPDX-License-Identifier: Apache-2.0
// Tcp: the TCP header (RFC 9293), as values and in place.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include <pktverbs/net/header_view.hpp>

namespace pktverbs::net {

/// A TCP header as values, for a FrameTemplate: without options.
struct Tcp {
    /// The flags of a segment.
    enum Flag : std::uint8_t { fin = 1, syn = 2, rst = 4, psh = 8, ack = 16, urg = 32, ece = 64, cwr = 128 };
    std::uint16_t src_port = 0;        ///< the source port
    std::uint16_t dst_port = 0;        ///< the destination port
    std::uint32_t acknowledgment = 0;  ///< the next sequence number expected from the peer
    std::uint8_t flags = 0;            ///< Flag, or several of them
    std::uint16_t window = 0;          ///< bytes that the peer may send, unscaled
    bool checksum = true;              ///< false: the field stays 0, for the NIC to fill
};

/// Reads and writes a TCP header in place. It is a header if its data offset is between 20 bytes and the bytes that are
/// there.
template <FrameByte Byte = const std::uint8_t>
class TcpView : public HeaderView<Byte> {
public:
    static constexpr std::size_t size = 20;  ///< without options

    constexpr TcpView() noexcept = default;
    /// Views the header at the start of an IP payload, which ends where the segment does.
    constexpr explicit TcpView(std::span<Byte> segment) noexcept : TcpView{segment, measure(segment)} {}
    /// Views a header that measure() has measured. `measured` must be its result for these bytes.
    constexpr TcpView(std::span<Byte> segment, const Extent& measured) noexcept : HeaderView<Byte>{segment, measured} {}

    static constexpr Extent measure(ConstBytes segment) noexcept { return measure(segment, segment.size()); }
    /// Measures a segment of `there` bytes, of which `visible` are the first. Its options need not be visible.
    static constexpr Extent measure(ConstBytes visible, std::size_t there) noexcept {
        if (visible.size() < size) return {};
        const std::size_t header_bytes = 4 * static_cast<std::size_t>(visible[12] >> 4);
        return header_bytes < size || header_bytes > there ? Extent{} : Extent{header_bytes, there};
    }

    constexpr std::uint16_t src_port() const noexcept { return this->get16(0); }
    constexpr std::uint16_t dst_port() const noexcept { return this->get16(2); }
    constexpr std::uint32_t sequence() const noexcept { return this->get32(4); }
    constexpr std::uint32_t acknowledgment() const noexcept { return this->get32(8); }
    constexpr std::uint8_t flags() const noexcept { return this->get8(13); }
    /// Whether a flag is set.
    constexpr bool has(Tcp::Flag flag) const noexcept { return (flags() & flag) != 0; }
    constexpr std::uint16_t window() const noexcept { return this->get16(14); }
    constexpr std::uint16_t checksum() const noexcept { return this->get16(16); }
    constexpr std::uint16_t urgent_pointer() const noexcept { return this->get16(18); }
    /// Returns the options, as they are in the header.
    constexpr std::span<Byte> options() const noexcept { return this->header().subspan(size); }

    constexpr void set_src_port(std::uint16_t port) const noexcept requires(!std::is_const_v<Byte>) {
        this->put(0, port);
    }
    constexpr void set_dst_port(std::uint16_t port) const noexcept requires(!std::is_const_v<Byte>) {
        this->put(2, port);
    }
    constexpr void set_sequence(std::uint32_t sequence) const noexcept requires(!std::is_const_v<Byte>) {
        this->put(4, sequence);
    }
    constexpr void set_acknowledgment(std::uint32_t acknowledgment) const noexcept requires(!std::is_const_v<Byte>) {
        this->put(8, acknowledgment);
    }
    constexpr void set_flags(std::uint8_t flags) const noexcept requires(!std::is_const_v<Byte>) {
        this->put(13, flags);
    }
    constexpr void set_checksum(std::uint16_t checksum) const noexcept requires(!std::is_const_v<Byte>) {
        this->put(16, checksum);
    }
};
template <std::ranges::contiguous_range Range>
TcpView(Range&&) -> TcpView<ByteOf<Range>>;

}  // namespace pktverbs::net
