// SPDX-License-Identifier: Apache-2.0
// RegionTable: the program's memory registered with a Context, found by address.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <unordered_map>
#include <vector>

#include <pktverbs/memory/region.hpp>
#include <pktverbs/verbs/device.hpp>
#include <pktverbs/verbs/handle.hpp>
#include <pktverbs/verbs/memory_region.hpp>

namespace pktverbs {

/// Any threads may call find() at the same time; add() and remove() need exclusive access.
class RegionTable {
public:
    RegionTable(const Device& device, ibv_pd* pd) noexcept : device_{device}, pd_{pd} {}

    /// Registers it, unless it is registered already. Throws std::system_error.
    verbs::LocalSlice add(const Region& region);
    /// False if exactly these bytes were never added.
    bool remove(std::span<const std::uint8_t> bytes) noexcept;
    /// The registration that contains all of `bytes`. A hash and, mostly, one comparison, however many regions there
    /// are.
    std::optional<verbs::LocalSlice> find(std::span<const std::uint8_t> bytes) const noexcept;

private:
    struct Registered {
        std::uint64_t start;
        std::uint64_t length;
        verbs::MrHandle mr;
    };
    using Tile = std::vector<const Registered*>;

    void list(const Registered& registered);
    void unlist(const Registered& registered) noexcept;

    const Device& device_;
    ibv_pd* pd_;
    std::vector<std::unique_ptr<Registered>> registered_;
    std::unordered_map<std::uint64_t, Tile> tiles_;  ///< by address: which registrations reach into each 2 MiB
};

}  // namespace pktverbs
