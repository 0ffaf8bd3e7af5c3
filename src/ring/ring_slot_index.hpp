// SPDX-License-Identifier: Apache-2.0
// RingSlotIndex: a place in a ring, or none.
#pragma once

#include <cstdint>

namespace pktverbs {

struct RingSlotIndex {
    static constexpr std::uint32_t nowhere = ~std::uint32_t{0};
    std::uint32_t block = nowhere;
    std::uint32_t slot = 0;
    bool is_nowhere() const noexcept { return block == nowhere; }
    bool operator==(const RingSlotIndex&) const = default;
};

}  // namespace pktverbs
