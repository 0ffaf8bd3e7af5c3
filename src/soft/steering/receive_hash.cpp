// SPDX-License-Identifier: Apache-2.0
#include "soft/steering/receive_hash.hpp"

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstring>

#include <pktverbs/net/ipv4.hpp>

namespace pktverbs::soft {

namespace {

constexpr std::uint64_t ipv4_fields = IBV_RX_HASH_SRC_IPV4 | IBV_RX_HASH_DST_IPV4;
constexpr std::uint64_t ipv6_fields = IBV_RX_HASH_SRC_IPV6 | IBV_RX_HASH_DST_IPV6;
constexpr std::uint64_t tcp_fields = IBV_RX_HASH_SRC_PORT_TCP | IBV_RX_HASH_DST_PORT_TCP;
constexpr std::uint64_t udp_fields = IBV_RX_HASH_SRC_PORT_UDP | IBV_RX_HASH_DST_PORT_UDP;
constexpr std::uint64_t src_ports = IBV_RX_HASH_SRC_PORT_TCP | IBV_RX_HASH_SRC_PORT_UDP;
constexpr std::uint64_t dst_ports = IBV_RX_HASH_DST_PORT_TCP | IBV_RX_HASH_DST_PORT_UDP;

std::span<const std::uint8_t, Toeplitz::key_bytes> key_of(const ibv_rx_hash_conf& conf) noexcept {
    return std::span<const std::uint8_t, Toeplitz::key_bytes>{conf.rx_hash_key, Toeplitz::key_bytes};
}

}  // namespace

int ReceiveHash::check(const ibv_rx_hash_conf& conf, std::uint32_t table_size) noexcept {
    const std::uint64_t fields = conf.rx_hash_fields_mask;
    const auto any = [fields](std::uint64_t some) { return (fields & some) != 0; };
    if (any(~fields_supported)) return EOPNOTSUPP;
    if (conf.rx_hash_function != IBV_RX_HASH_FUNC_TOEPLITZ) return EOPNOTSUPP;
    if (conf.rx_hash_key_len != Toeplitz::key_bytes || !conf.rx_hash_key) return EINVAL;
    // Having nothing to hash is fine if there is nothing to choose.
    if (fields == 0 && table_size > 1) return EINVAL;
    if ((any(ipv4_fields) && any(ipv6_fields)) || (any(tcp_fields) && any(udp_fields))) return EINVAL;
    return 0;
}

ReceiveHash::ReceiveHash(const ibv_rx_hash_conf& conf) noexcept
    : toeplitz_{key_of(conf)}, fields_{conf.rx_hash_fields_mask} {
    const auto needs = [this](std::uint8_t mask, std::uint8_t flags) {
        flags_mask_ = static_cast<std::uint8_t>(flags_mask_ | mask);
        flags_ = static_cast<std::uint8_t>(flags_ | flags);
    };
    if ((fields_ & ipv4_fields) != 0) needs(FrameKey::is_ipv4, FrameKey::is_ipv4);
    if ((fields_ & ipv6_fields) != 0) needs(FrameKey::is_ipv6, FrameKey::is_ipv6);
    address_bytes_ = (fields_ & ipv4_fields) != 0 ? 4 : 16;
    if ((fields_ & (tcp_fields | udp_fields)) != 0) {
        needs(FrameKey::has_ports, FrameKey::has_ports);
        protocol_ = (fields_ & tcp_fields) != 0 ? net::ip_protocol::tcp : net::ip_protocol::udp;
    }
}

std::uint32_t ReceiveHash::of(const FrameKey& key) const noexcept {
    if ((key.flags & flags_mask_) != flags_) return 0;
    if (protocol_ != 0 && key.protocol != protocol_) return 0;
    std::array<std::uint8_t, Toeplitz::max_input> input;
    std::size_t bytes = 0;
    const auto take = [&](std::uint64_t fields, const void* from, std::size_t count) {
        if ((fields_ & fields) == 0) return;
        std::memcpy(&input[bytes], from, count);
        bytes += count;
    };
    take(IBV_RX_HASH_SRC_IPV4 | IBV_RX_HASH_SRC_IPV6, key.src_ip, address_bytes_);
    take(IBV_RX_HASH_DST_IPV4 | IBV_RX_HASH_DST_IPV6, key.dst_ip, address_bytes_);
    take(src_ports, &key.src_port, sizeof key.src_port);
    take(dst_ports, &key.dst_port, sizeof key.dst_port);
    return toeplitz_.hash(std::span{input}.first(bytes));
}

}  // namespace pktverbs::soft
