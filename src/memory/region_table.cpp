// SPDX-License-Identifier: Apache-2.0
#include "memory/region_table.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <cerrno>
#include <limits>

#include <pktverbs/verbs/error.hpp>

namespace pktverbs {

namespace {

constexpr unsigned tile_shift = 21;

std::uint64_t address_of(std::span<const std::uint8_t> bytes) noexcept {
    return reinterpret_cast<std::uint64_t>(bytes.data());
}

}  // namespace

verbs::LocalSlice RegionTable::add(const Region& region) {
    const std::uint64_t start = address_of(region.bytes());
    const std::size_t length = region.bytes().size();
    const auto slice_of = [](const Registered& registered) {
        // A slice cannot be longer: work requests count in 32 bits.
        constexpr std::uint64_t most = std::numeric_limits<std::uint32_t>::max();
        return verbs::LocalSlice::unchecked(
            {registered.start, static_cast<std::uint32_t>(std::min(registered.length, most)), registered.mr->lkey});
    };
    for (const auto& known : registered_)
        if (known->start == start && known->length == length) return slice_of(*known);
    if (length == 0)
        verbs::throw_message(EINVAL, fmt::format("cannot register memory with {}: it has no bytes", device_.name));

    const verbs::Provider& provider = *device_.provider;
    const verbs::Action action{region.is_dmabuf() ? "reg_dmabuf_mr" : "reg_mr",
                               region.is_dmabuf() ? "register a dmabuf" : "register memory", device_.name};
    auto made = std::make_unique<Registered>(Registered{start, length, {}});
    made->mr = verbs::MrHandle{
        verbs::check_pointer(action,
                             [&] {
                                 return region.is_dmabuf() ? provider.reg_dmabuf_mr(pd_, region.offset(), length, start,
                                                                                    region.fd(), IBV_ACCESS_LOCAL_WRITE)
                                                           : provider.reg_mr(pd_, region.bytes().data(), length,
                                                                             IBV_ACCESS_LOCAL_WRITE);
                             }),
        {&provider}};
    registered_.push_back(std::move(made));
    try {
        list(*registered_.back());
    } catch (...) {
        unlist(*registered_.back());
        registered_.pop_back();
        throw;
    }
    return slice_of(*registered_.back());
}

void RegionTable::list(const Registered& registered) {
    const std::uint64_t last = registered.start + registered.length - 1;
    for (std::uint64_t tile = registered.start >> tile_shift; tile <= last >> tile_shift; ++tile)
        tiles_[tile].push_back(&registered);
}

void RegionTable::unlist(const Registered& registered) noexcept {
    const std::uint64_t last = registered.start + registered.length - 1;
    for (std::uint64_t tile = registered.start >> tile_shift; tile <= last >> tile_shift; ++tile) {
        const auto at = tiles_.find(tile);
        if (at == tiles_.end()) continue;
        std::erase(at->second, &registered);
        if (at->second.empty()) tiles_.erase(at);
    }
}

bool RegionTable::remove(std::span<const std::uint8_t> bytes) noexcept {
    const auto at = std::ranges::find_if(registered_, [&](const auto& known) {
        return known->start == address_of(bytes) && known->length == bytes.size();
    });
    if (at == registered_.end()) return false;
    unlist(**at);
    registered_.erase(at);
    return true;
}

std::optional<verbs::LocalSlice> RegionTable::find(std::span<const std::uint8_t> bytes) const noexcept {
    const std::uint64_t start = address_of(bytes);
    if (bytes.size() > std::numeric_limits<std::uint32_t>::max()) return std::nullopt;
    const auto tile = tiles_.find(start >> tile_shift);
    if (tile == tiles_.end()) return std::nullopt;
    for (const Registered* known : tile->second)
        if (start >= known->start && bytes.size() <= known->length &&
            start - known->start <= known->length - bytes.size())
            return verbs::LocalSlice::unchecked({start, static_cast<std::uint32_t>(bytes.size()), known->mr->lkey});
    return std::nullopt;
}

}  // namespace pktverbs
