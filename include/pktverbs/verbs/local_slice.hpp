// SPDX-License-Identifier: Apache-2.0
// LocalSlice: registered local memory, for a work request.
#pragma once

#include <infiniband/verbs.h>

#include <cstddef>
#include <cstdint>
#include <span>

#include <pktverbs/export.hpp>

namespace pktverbs::verbs {

/// Names a part of this program's registered memory, for a work request to use.
///
/// A value that owns nothing: the memory region must outlive the work requests that use it.
class LocalSlice {
public:
    /// Returns its length in bytes.
    std::size_t size() const noexcept { return sge_.length; }
    /// Returns the memory.
    std::span<std::uint8_t> bytes() const noexcept { return {reinterpret_cast<std::uint8_t*>(sge_.addr), sge_.length}; }
    /// Returns a part of it. Throws std::out_of_range unless the part lies inside.
    PKTVERBS_EXPORT LocalSlice slice(std::size_t offset, std::size_t length) const;
    /// Returns it as a scatter/gather element.
    const ibv_sge& raw() const noexcept { return sge_; }
    /// Makes a slice of an address, a length and an lkey that are known to belong together.
    static LocalSlice unchecked(const ibv_sge& sge) noexcept { return LocalSlice{sge}; }

private:
    friend class MemoryRegion;
    explicit LocalSlice(const ibv_sge& sge) noexcept : sge_{sge} {}

    ibv_sge sge_;
};

}  // namespace pktverbs::verbs
