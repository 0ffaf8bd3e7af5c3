// SPDX-License-Identifier: Apache-2.0
// Memory: whole pages for packets and their buffers.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <utility>

#include <pktverbs/export.hpp>

namespace pktverbs {

/// The page size of memory. Huge pages must be reserved before: vm.nr_hugepages for 2 MiB,
/// /sys/kernel/mm/hugepages/hugepages-1048576kB/nr_hugepages (or hugepages= at boot) for 1 GiB.
enum class PageSize : std::uint8_t { normal, huge_2m, huge_1g };

/// Returns "normal", "2 MiB" or "1 GiB".
PKTVERBS_EXPORT std::string_view to_string(PageSize pages) noexcept;
/// Returns the page size in bytes.
PKTVERBS_EXPORT std::size_t page_bytes(PageSize pages) noexcept;

/// Owns zeroed, page-aligned memory for packet buffers, normal or huge pages.
///
/// Move-only. Private to the process and not copied into a forked child.
class PKTVERBS_EXPORT Memory {
public:
    /// The kind of pages, and the NUMA node that they come from.
    struct Placement {
        PageSize pages = PageSize::normal;  ///< the size is rounded up to whole pages
        int numa_node = -1;                 ///< -1: the kernel chooses
    };

    /// No memory.
    Memory() noexcept = default;
    /// Allocates memory. Throws std::system_error (ENOMEM) if there are not enough (huge) pages.
    explicit Memory(std::size_t bytes) : Memory(bytes, Placement{}) {}
    Memory(std::size_t bytes, Placement placement);
    Memory(Memory&& other) noexcept
        : data_{std::exchange(other.data_, nullptr)}, size_{std::exchange(other.size_, 0)} {}
    Memory& operator=(Memory&& other) noexcept {
        std::swap(data_, other.data_);
        std::swap(size_, other.size_);
        return *this;
    }
    ~Memory();

    /// Returns its start; null if there is none.
    std::uint8_t* data() const noexcept { return data_; }
    /// Returns its length in bytes.
    std::size_t size() const noexcept { return size_; }
    /// Returns all of it.
    std::span<std::uint8_t> bytes() const noexcept { return {data_, size_}; }

    /// Returns the distance from one buffer to the next: at least `bytes`, aligned to 64 bytes, and an odd number of
    /// cache lines, because strides of a power of two would put the starts of all buffers in the same few cache sets.
    static constexpr std::size_t stride(std::size_t bytes) noexcept {
        constexpr std::size_t line = 64;
        return ((bytes + line - 1) / line | 1) * line;
    }

private:
    std::uint8_t* data_ = nullptr;
    std::size_t size_ = 0;
};

}  // namespace pktverbs
