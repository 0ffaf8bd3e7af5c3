// SPDX-License-Identifier: Apache-2.0
// Scatter elements as one sequence of bytes: selects a part of them, and copies their beginning.
#pragma once

#include <infiniband/verbs.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <span>

namespace pktverbs {

inline std::span<std::uint8_t> bytes_of(const ibv_sge& sge) noexcept {
    return {reinterpret_cast<std::uint8_t*>(sge.addr), sge.length};
}

/// Selects `length` bytes from `offset` on, or as many as there are; `out` has room for as many elements as the input.
/// Returns how many it wrote.
inline std::uint32_t slice_sges(std::span<const ibv_sge> sges, std::uint32_t offset, std::uint32_t length,
                                ibv_sge* out) noexcept {
    std::uint32_t count = 0;
    for (const ibv_sge& sge : sges) {
        if (length == 0) break;
        if (offset >= sge.length) {
            offset -= sge.length;
            continue;
        }
        const std::uint32_t part = std::min(length, sge.length - offset);
        out[count++] = {sge.addr + offset, part, sge.lkey};
        length -= part;
        offset = 0;
    }
    return count;
}

/// Copies as many bytes as `to` has room for.
inline void copy_first(std::span<const ibv_sge> sges, std::span<std::uint8_t> to) noexcept {
    for (const ibv_sge& sge : sges) {
        const std::size_t part = std::min<std::size_t>(to.size(), sge.length);
        if (part != 0) std::memcpy(to.data(), bytes_of(sge).data(), part);
        to = to.subspan(part);
    }
}

}  // namespace pktverbs
