// SPDX-License-Identifier: Apache-2.0
// Ethernet, Vlan: the Ethernet header and its VLAN tags, as values and in place.
#pragma once

#include <net/ethernet.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include <pktverbs/address/mac_address.hpp>
#include <pktverbs/net/header_view.hpp>

namespace pktverbs::net {

/// EtherTypes, in host order.
namespace ether_type {
/// IPv4.
inline constexpr std::uint16_t ipv4 = ETHERTYPE_IP;
/// IPv6.
inline constexpr std::uint16_t ipv6 = ETHERTYPE_IPV6;
/// ARP.
inline constexpr std::uint16_t arp = ETHERTYPE_ARP;
inline constexpr std::uint16_t vlan = ETHERTYPE_VLAN;  ///< 802.1Q, the customer's tag
inline constexpr std::uint16_t service_vlan = 0x88a8;  ///< 802.1ad, the outer of two

/// Whether a VLAN tag follows this EtherType.
constexpr bool is_vlan(std::uint16_t type) noexcept { return type == vlan || type == service_vlan; }
/// Whether the field is not an EtherType, but the number of bytes that follow (IEEE 802.3, 3.2.6).
constexpr bool is_length(std::uint16_t type) noexcept { return type <= 1500; }
/// Returns how many of the `there` bytes that follow are not padding: all of them if the field is a type or its length
/// is wrong.
constexpr std::size_t carried(std::uint16_t type, std::size_t there) noexcept {
    return is_length(type) && type < there ? type : there;
}
}  // namespace ether_type

/// A VLAN tag as values (802.1Q, tag control information).
struct Vlan {
    std::uint16_t id = 0;        ///< 0 to 4095; 0: only the priority counts
    std::uint8_t priority = 0;   ///< 0 to 7
    bool drop_eligible = false;  ///< may be dropped first (DEI)

    /// Returns the 16 bits of the tag.
    constexpr std::uint16_t tag() const noexcept {
        return static_cast<std::uint16_t>((priority & 7) << 13 | (drop_eligible ? 0x1000 : 0) | (id & 0x0fff));
    }
    /// Makes the values from the 16 bits of a tag.
    static constexpr Vlan from_tag(std::uint16_t tag) noexcept {
        return {static_cast<std::uint16_t>(tag & 0x0fff), static_cast<std::uint8_t>(tag >> 13), (tag & 0x1000) != 0};
    }
    friend constexpr bool operator==(const Vlan&, const Vlan&) noexcept = default;
};

/// An Ethernet header as values, for a FrameTemplate.
struct Ethernet {
    MacAddress dst{};                    ///< the destination
    MacAddress src{};                    ///< the source
    std::optional<Vlan> vlan{};          ///< the tag next to the payload; nullopt: none
    std::optional<Vlan> service_vlan{};  ///< the tag outside of `vlan`; nullopt: none
    std::uint16_t type = 0;              ///< used only for a payload of no known type
};

/// Reads and writes an Ethernet header in place.
template <FrameByte Byte = const std::uint8_t>
class EthernetView : public HeaderView<Byte> {
public:
    static constexpr std::size_t size = 14;

    constexpr EthernetView() noexcept = default;
    /// Views the header of a whole frame.
    constexpr explicit EthernetView(std::span<Byte> frame) noexcept : EthernetView{frame, measure(frame)} {}
    /// Views a header that measure() has measured. `measured` must be its result for these bytes.
    constexpr EthernetView(std::span<Byte> frame, const Extent& measured) noexcept
        : HeaderView<Byte>{frame, measured} {}

    static constexpr Extent measure(ConstBytes frame) noexcept {
        if (frame.size() < size) return {};
        return {size, size + ether_type::carried(load<std::uint16_t>(frame.data() + 12), frame.size() - size)};
    }

    constexpr MacAddress dst() const noexcept { return this->get_mac(0); }
    constexpr MacAddress src() const noexcept { return this->get_mac(6); }
    /// Returns the EtherType of what follows directly, which may be a VLAN tag; or a length, see
    /// ether_type::is_length().
    constexpr std::uint16_t type() const noexcept { return this->get16(12); }

    constexpr void set_dst(const MacAddress& mac) const noexcept requires(!std::is_const_v<Byte>) { this->put(0, mac); }
    constexpr void set_src(const MacAddress& mac) const noexcept requires(!std::is_const_v<Byte>) { this->put(6, mac); }
    constexpr void set_type(std::uint16_t type) const noexcept requires(!std::is_const_v<Byte>) { this->put(12, type); }
};
template <std::ranges::contiguous_range Range>
EthernetView(Range&&) -> EthernetView<ByteOf<Range>>;

/// Reads and writes a VLAN tag in place: the four bytes behind an EtherType that is_vlan(), with the tag and the
/// EtherType of what follows.
template <FrameByte Byte = const std::uint8_t>
class VlanView : public HeaderView<Byte> {
public:
    static constexpr std::size_t size = 4;

    constexpr VlanView() noexcept = default;
    /// Views the tag at the start of the payload of the header before it.
    constexpr explicit VlanView(std::span<Byte> rest) noexcept : VlanView{rest, measure(rest)} {}
    /// Views a header that measure() has measured. `measured` must be its result for these bytes.
    constexpr VlanView(std::span<Byte> rest, const Extent& measured) noexcept : HeaderView<Byte>{rest, measured} {}

    static constexpr Extent measure(ConstBytes rest) noexcept {
        if (rest.size() < size) return {};
        return {size, size + ether_type::carried(load<std::uint16_t>(rest.data() + 2), rest.size() - size)};
    }

    /// Returns the tag as values.
    constexpr Vlan vlan() const noexcept { return Vlan::from_tag(this->get16(0)); }
    /// Returns the VLAN id, 0 to 4095.
    constexpr std::uint16_t id() const noexcept { return vlan().id; }
    /// Returns the priority, 0 to 7.
    constexpr std::uint8_t priority() const noexcept { return vlan().priority; }
    /// Whether the frame may be dropped first.
    constexpr bool drop_eligible() const noexcept { return vlan().drop_eligible; }
    /// Returns the EtherType of what follows, or a length, as EthernetView::type() does.
    constexpr std::uint16_t type() const noexcept { return this->get16(2); }

    /// Sets the tag.
    constexpr void set_vlan(const Vlan& vlan) const noexcept requires(!std::is_const_v<Byte>) {
        this->put(0, vlan.tag());
    }
    constexpr void set_type(std::uint16_t type) const noexcept requires(!std::is_const_v<Byte>) { this->put(2, type); }
};
template <std::ranges::contiguous_range Range>
VlanView(Range&&) -> VlanView<ByteOf<Range>>;

}  // namespace pktverbs::net
