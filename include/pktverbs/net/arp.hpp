// SPDX-License-Identifier: Apache-2.0
// Arp: who has which IPv4 address on an Ethernet (RFC 826).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include <pktverbs/address/ipv4_address.hpp>
#include <pktverbs/address/mac_address.hpp>
#include <pktverbs/net/header_view.hpp>

namespace pktverbs::net {

/// What a template is made of.
struct Arp {
    static constexpr std::uint16_t request = 1;
    static constexpr std::uint16_t reply = 2;
    std::uint16_t operation = request;
    MacAddress sender_mac{};
    Ipv4Address sender_ip{};
    MacAddress target_mac{};  ///< of a request: nobody knows it yet
    Ipv4Address target_ip{};
};

/// Only of ARP for IPv4 on Ethernet; other kinds are no header to it.
template <FrameByte Byte = const std::uint8_t>
class ArpView : public HeaderView<Byte> {
public:
    static constexpr std::size_t size = 28;
    /// Its first six bytes: hardware type 1, protocol 0x0800, address lengths 6 and 4.
    static constexpr std::uint64_t ethernet_ipv4 = 0x0001'0800'0604;

    constexpr ArpView() noexcept = default;
    constexpr explicit ArpView(std::span<Byte> packet) noexcept : ArpView{packet, measure(packet)} {}
    /// `measured` must be what measure() said of these bytes.
    constexpr ArpView(std::span<Byte> packet, const Extent& measured) noexcept : HeaderView<Byte>{packet, measured} {}

    static constexpr Extent measure(ConstBytes packet) noexcept {
        if (packet.size() < size || load<std::uint64_t>(packet.data()) >> 16 != ethernet_ipv4) return {};
        return {size, size};
    }

    /// How long the packet is, of whatever kind: eight bytes, and two addresses of each of the two lengths that it says
    /// (RFC 826). 0 if it is cut short.
    static constexpr std::size_t any_kind_bytes(ConstBytes packet) noexcept {
        if (packet.size() < 8) return 0;
        const std::size_t bytes = 8 + 2 * (std::size_t{packet[4]} + packet[5]);
        return bytes > packet.size() ? 0 : bytes;
    }

    constexpr std::uint16_t operation() const noexcept { return this->get16(6); }
    constexpr MacAddress sender_mac() const noexcept { return this->get_mac(8); }
    constexpr Ipv4Address sender_ip() const noexcept { return this->get_ipv4(14); }
    constexpr MacAddress target_mac() const noexcept { return this->get_mac(18); }
    constexpr Ipv4Address target_ip() const noexcept { return this->get_ipv4(24); }
    /// All of them, as a value.
    constexpr Arp arp() const noexcept { return {operation(), sender_mac(), sender_ip(), target_mac(), target_ip()}; }

    constexpr void set(const Arp& arp) const noexcept requires(!std::is_const_v<Byte>) {
        this->put(6, arp.operation);
        this->put(8, arp.sender_mac);
        this->put(14, arp.sender_ip);
        this->put(18, arp.target_mac);
        this->put(24, arp.target_ip);
    }
};
template <std::ranges::contiguous_range Range>
ArpView(Range&&) -> ArpView<ByteOf<Range>>;

}  // namespace pktverbs::net
