// SPDX-License-Identifier: Apache-2.0
// Arp: the packet that asks for the MAC address of an IPv4 address (RFC 826).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include <pktverbs/address/ipv4_address.hpp>
#include <pktverbs/address/mac_address.hpp>
#include <pktverbs/net/header_view.hpp>

namespace pktverbs::net {

/// An ARP packet as values, for a FrameTemplate.
struct Arp {
    /// Operation: asks who has target_ip.
    static constexpr std::uint16_t request = 1;
    /// Operation: answers a request.
    static constexpr std::uint16_t reply = 2;
    std::uint16_t operation = request;  ///< request or reply
    MacAddress sender_mac{};            ///< the sender's MAC address
    Ipv4Address sender_ip{};            ///< the sender's IPv4 address
    MacAddress target_mac{};            ///< not known yet in a request
    Ipv4Address target_ip{};            ///< the target's IPv4 address
};

/// Reads and writes an ARP packet in place. Only ARP for IPv4 on Ethernet; for other kinds it tests false.
template <FrameByte Byte = const std::uint8_t>
class ArpView : public HeaderView<Byte> {
public:
    static constexpr std::size_t size = 28;
    /// The first six bytes of such a packet: hardware type 1, protocol 0x0800, address lengths 6 and 4.
    static constexpr std::uint64_t ethernet_ipv4 = 0x0001'0800'0604;

    constexpr ArpView() noexcept = default;
    constexpr explicit ArpView(std::span<Byte> packet) noexcept : ArpView{packet, measure(packet)} {}
    /// Views a packet that measure() has measured. `measured` must be its result for these bytes.
    constexpr ArpView(std::span<Byte> packet, const Extent& measured) noexcept : HeaderView<Byte>{packet, measured} {}

    static constexpr Extent measure(ConstBytes packet) noexcept {
        if (packet.size() < size || load<std::uint64_t>(packet.data()) >> 16 != ethernet_ipv4) return {};
        return {size, size};
    }

    /// Returns the length of an ARP packet of any kind: eight bytes, and two addresses of each of the two lengths that
    /// it gives (RFC 826). Returns 0 if it is truncated.
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
    /// Returns all fields as a value.
    constexpr Arp arp() const noexcept { return {operation(), sender_mac(), sender_ip(), target_mac(), target_ip()}; }

    /// Sets all fields.
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
