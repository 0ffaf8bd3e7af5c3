// SPDX-License-Identifier: Apache-2.0
// LocalSlice: registered memory of this program's, as a work request names it.
#pragma once

#include <infiniband/verbs.h>

#include <cstddef>
#include <cstdint>
#include <span>

#include <pktverbs/export.hpp>

namespace pktverbs::verbs {

/// A part of a registered region of this program's. A value that owns nothing: the region must outlive the work
/// requests that use it.
class LocalSlice {
public:
    std::size_t size() const noexcept { return sge_.length; }
    std::span<std::uint8_t> bytes() const noexcept { return {reinterpret_cast<std::uint8_t*>(sge_.addr), sge_.length}; }
    /// Throws std::out_of_range unless it lies inside this one.
    PKTVERBS_EXPORT LocalSlice slice(std::size_t offset, std::size_t length) const;
    const ibv_sge& raw() const noexcept { return sge_; }
    /// Of an address, a length and an lkey that are known to belong together.
    static LocalSlice unchecked(const ibv_sge& sge) noexcept { return LocalSlice{sge}; }

private:
    friend class MemoryRegion;
    explicit LocalSlice(const ibv_sge& sge) noexcept : sge_{sge} {}

    ibv_sge sge_;
};

}  // namespace pktverbs::verbs
