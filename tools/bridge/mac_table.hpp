// SPDX-License-Identifier: Apache-2.0
// MacTable: behind which port each station is, as far as it was heard.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include <pktverbs/address/mac_address.hpp>

namespace tool {

/// Learns stations, and forgets those that were not heard for the ageing time.
///
/// Strangers fill it, so its size is fixed: each address has a place for four, and the one that was heard least
/// recently gives way. Time is whole seconds of any clock that starts above 0.
class MacTable {
public:
    /// Holds about `stations`, a power of two from 4 on.
    explicit MacTable(std::size_t stations = 16384) : sets_(stations / ways) {}

    /// Notes that a station was heard at a port. Not for group addresses.
    void learn(const pktverbs::MacAddress& mac, std::uint16_t port, std::uint32_t now) noexcept {
        const auto key = key_of(mac);
        auto& set = sets_[hash(key) & (sets_.size() - 1)];
        auto* oldest = &set[0];
        for (auto& entry : set) {
            if (entry.key == key) {
                if (entry.port != port) ++moves_;
                entry.port = port;
                entry.heard = now;
                return;
            }
            if (entry.heard < oldest->heard) oldest = &entry;
        }
        *oldest = {key, now, port};
    }

    /// Returns the port of a station that was heard at `since` or later.
    std::optional<std::uint16_t> find(const pktverbs::MacAddress& mac, std::uint32_t since) const noexcept {
        const auto key = key_of(mac);
        for (const auto& entry : sets_[hash(key) & (sets_.size() - 1)])
            if (entry.key == key) return entry.heard >= since ? std::optional{entry.port} : std::nullopt;
        return std::nullopt;
    }

    /// Returns how many stations were heard at `since` or later.
    std::size_t count(std::uint32_t since) const noexcept {
        std::size_t stations = 0;
        for (const auto& set : sets_)
            for (const auto& entry : set)
                if (entry.heard != 0 && entry.heard >= since) ++stations;
        return stations;
    }
    /// Returns how often a station was heard at another port than before.
    std::uint64_t moves() const noexcept { return moves_; }

private:
    static constexpr std::size_t ways = 4;
    struct Entry {
        std::uint64_t key = 0;  // no station has the address 0
        std::uint32_t heard = 0;
        std::uint16_t port = 0;
    };

    static std::uint64_t key_of(const pktverbs::MacAddress& mac) noexcept {
        std::uint64_t key = 0;
        for (const auto byte : mac.bytes()) key = key << 8 | byte;
        return key;
    }
    static std::size_t hash(std::uint64_t key) noexcept {
        return static_cast<std::size_t>(key * 0x9e3779b97f4a7c15 >> 40);  // 2^64 by the golden ratio
    }

    std::vector<std::array<Entry, ways>> sets_;
    std::uint64_t moves_ = 0;
};

}  // namespace tool
