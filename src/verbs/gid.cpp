// SPDX-License-Identifier: Apache-2.0
#include <pktverbs/verbs/gid.hpp>

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <cstring>

namespace pktverbs::verbs {

namespace {

constexpr std::array<std::uint8_t, 12> mapped_prefix{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

std::string_view name_of(GidType type) {
    switch (type) {
        case GidType::roce_v1:
            return "RoCE v1";
        case GidType::roce_v2:
            return "RoCE v2";
        case GidType::infiniband:
            break;
    }
    return "InfiniBand";
}

}  // namespace

Ipv6Address to_address(const ibv_gid& gid) noexcept {
    Ipv6Address::Bytes bytes;
    std::copy_n(gid.raw, bytes.size(), bytes.begin());
    return Ipv6Address{bytes};
}

ibv_gid to_gid(const Ipv6Address& address) noexcept {
    ibv_gid gid{};
    std::copy(address.bytes().begin(), address.bytes().end(), gid.raw);
    return gid;
}

Ipv6Address to_mapped(const Ipv4Address& address) noexcept {
    Ipv6Address::Bytes bytes;
    const auto rest = std::copy(mapped_prefix.begin(), mapped_prefix.end(), bytes.begin());
    std::copy(address.bytes().begin(), address.bytes().end(), rest);
    return Ipv6Address{bytes};
}

std::optional<Ipv4Address> from_mapped(const Ipv6Address& address) noexcept {
    const auto& bytes = address.bytes();
    if (!std::equal(mapped_prefix.begin(), mapped_prefix.end(), bytes.begin())) return std::nullopt;
    Ipv4Address::Bytes low;
    std::copy_n(bytes.begin() + mapped_prefix.size(), low.size(), low.begin());
    return Ipv4Address{low};
}

Ipv6Address source_of(const ibv_grh& grh) noexcept {
    constexpr std::size_t ipv4_at = sizeof(ibv_grh) - 20;
    constexpr std::size_t ipv4_source_at = ipv4_at + 12;
    std::array<std::uint8_t, sizeof(ibv_grh)> bytes;
    std::memcpy(bytes.data(), &grh, bytes.size());
    // A real GRH has version 6 in its first byte; for IPv4 nothing is written there.
    if (bytes[0] >> 4 != 6 && bytes[ipv4_at] >> 4 == 4) {
        Ipv4Address::Bytes source;
        std::copy_n(bytes.begin() + ipv4_source_at, source.size(), source.begin());
        return to_mapped(Ipv4Address{source});
    }
    return to_address(grh.sgid);
}

std::string GidEntry::to_string() const { return fmt::format("{}: {}, {}", index, gid.to_string(), name_of(type)); }

}  // namespace pktverbs::verbs
