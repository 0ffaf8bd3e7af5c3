// SPDX-License-Identifier: Apache-2.0
// The lengths of an Ethernet frame's headers, in bytes: of the headers that net's views know, and of the part before a
// tag.
#pragma once

#include <cstdint>

#include <pktverbs/net/ethernet.hpp>
#include <pktverbs/net/ipv4.hpp>
#include <pktverbs/net/ipv6.hpp>
#include <pktverbs/net/tcp.hpp>
#include <pktverbs/net/udp.hpp>

namespace pktverbs {

inline constexpr std::uint32_t ethernet_bytes = net::EthernetView<>::size;
inline constexpr std::uint32_t mac_pair_bytes = ethernet_bytes - 2;
inline constexpr std::uint32_t vlan_tag_bytes = net::VlanView<>::size;
inline constexpr std::uint32_t tagged_ethernet_bytes = ethernet_bytes + vlan_tag_bytes;
/// The longest frame is this longer than the MTU: two tags may exceed it (IEEE 802.1ad).
inline constexpr std::uint32_t max_ethernet_bytes = tagged_ethernet_bytes + vlan_tag_bytes;
inline constexpr std::uint32_t ipv4_bytes = net::Ipv4View<>::size;  ///< without options
inline constexpr std::uint32_t ipv6_bytes = net::Ipv6View<>::size;  ///< without extension headers
inline constexpr std::uint32_t udp_bytes = net::UdpView<>::size;
inline constexpr std::uint32_t tcp_bytes = net::TcpView<>::size;  ///< without options

}  // namespace pktverbs
