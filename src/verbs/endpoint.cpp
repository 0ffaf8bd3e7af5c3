// SPDX-License-Identifier: Apache-2.0
#include <pktverbs/verbs/endpoint.hpp>

#include <fmt/core.h>

#include "base/big_endian.hpp"

namespace pktverbs::verbs {

namespace {

constexpr std::uint32_t max_number = 0xffffff;

}  // namespace

std::array<std::uint8_t, Endpoint::wire_bytes> Endpoint::to_bytes() const noexcept {
    std::array<std::uint8_t, wire_bytes> bytes;
    BigEndianWriter{bytes}
        .put(gid.bytes())
        .put(queue_pair)
        .put(psn)
        .put(qkey)
        .put(lid)
        .put(static_cast<std::uint16_t>(mtu));
    return bytes;
}

std::optional<Endpoint> Endpoint::from_bytes(std::span<const std::uint8_t> bytes) noexcept {
    if (bytes.size() != wire_bytes) return std::nullopt;
    BigEndianReader reader{bytes};
    Ipv6Address::Bytes gid;
    reader.get(gid);
    Endpoint endpoint;
    endpoint.gid = Ipv6Address{gid};
    endpoint.queue_pair = reader.get<std::uint32_t>();
    endpoint.psn = reader.get<std::uint32_t>();
    endpoint.qkey = reader.get<std::uint32_t>();
    endpoint.lid = reader.get<std::uint16_t>();
    const auto mtu = reader.get<std::uint16_t>();
    if (endpoint.queue_pair > max_number || endpoint.psn > max_number) return std::nullopt;
    if (mtu < IBV_MTU_256 || mtu > IBV_MTU_4096) return std::nullopt;
    endpoint.mtu = static_cast<ibv_mtu>(mtu);
    return endpoint;
}

std::string Endpoint::to_string() const { return fmt::format("queue pair {} at {}", queue_pair, gid.to_string()); }

}  // namespace pktverbs::verbs
