// SPDX-License-Identifier: Apache-2.0
// MemoryRegions: the memory that the soft device may access, by lkey.
#pragma once

#include <infiniband/verbs.h>

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <mutex>

namespace pktverbs::soft {

/// Adding and releasing take a lock; checking does not, so that it can be done per frame.
class MemoryRegions {
public:
    static constexpr std::uint32_t capacity = 1024;

    /// Returns the lkey, or 0 if the table is full. `mapped`: the real place of the bytes that work requests call
    /// `addr`, if it differs.
    std::uint32_t add(const ibv_pd* pd, std::uint64_t addr, std::uint64_t length, bool writable,
                      std::uint64_t mapped) noexcept {
        const std::lock_guard lock{mutex_};
        for (std::uint32_t i = 1; i <= capacity; ++i) {
            Region& region = regions_[i];
            if (region.taken) continue;
            region.taken = true;
            region.domain = pd->handle;
            region.addr = addr;
            region.length = length;
            region.offset = mapped - addr;
            region.writable = writable;
            // A new low byte for each use of a slot, so that a stale lkey is noticed.
            region.uses = static_cast<std::uint8_t>(region.uses + 1);
            const std::uint32_t lkey = i << 8 | region.uses;
            // A thread that reads the lkey sees the fields above.
            region.lkey.store(lkey, std::memory_order_release);
            return lkey;
        }
        return 0;
    }

    /// Makes the lkey invalid; a check that began earlier may still be running.
    void revoke(std::uint32_t lkey) noexcept { regions_[lkey >> 8].lkey.store(0, std::memory_order_release); }
    /// Lets the next add() reuse a revoked lkey's place: no check of it may be running.
    void release(std::uint32_t lkey) noexcept {
        const std::lock_guard lock{mutex_};
        regions_[lkey >> 8].taken = false;
    }

    /// A reader that keeps the region found last at hand. For a time in which no region is released: as long as a lock
    /// is held that quiesce() takes.
    class Last {
    public:
        /// For the protection domain with this handle. A parent domain has the handle of its protection domain, so
        /// either will do, as on mlx5.
        Last(const MemoryRegions& regions, std::uint32_t domain, bool write) noexcept
            : regions_{regions}, domain_{domain}, write_{write} {}

        /// The real address of `length` bytes at `addr`; 0 if they don't lie in the region of `lkey`, or it belongs to
        /// another protection domain, or may not be written.
        std::uint64_t find(std::uint32_t lkey, std::uint64_t addr, std::uint32_t length) noexcept {
            if (lkey != lkey_) [[unlikely]]
                look(lkey);
            return covers(addr, length) ? addr + offset_ : 0;
        }
        /// Whether find() would return `addr`.
        bool is_at(std::uint32_t lkey, std::uint64_t addr, std::uint32_t length) noexcept {
            if (lkey != lkey_) [[unlikely]]
                look(lkey);
            return covers(addr, length) && offset_ == 0;
        }

    private:
        void look(std::uint32_t lkey) noexcept;
        /// No sum can overflow: below the region's start the offset is longer than any region.
        bool covers(std::uint64_t addr, std::uint32_t length) const noexcept {
            return length <= length_ && addr - addr_ <= length_ - length;
        }

        const MemoryRegions& regions_;
        std::uint32_t domain_;
        bool write_;
        std::uint32_t lkey_ = 0;  ///< that of no region
        std::uint64_t addr_ = nowhere;
        std::uint64_t length_ = 0;
        std::uint64_t offset_ = 0;
    };

private:
    /// An address that no region begins at.
    static constexpr std::uint64_t nowhere = UINT64_MAX;

    struct Region {
        std::atomic<std::uint32_t> lkey{0};
        bool taken = false;
        std::uint8_t uses = 0;
        bool writable = false;
        std::uint32_t domain = 0;
        std::uint64_t addr = 0;
        std::uint64_t length = 0;
        std::uint64_t offset = 0;  ///< modulo 2^64: from the address of work requests to that of the bytes
    };

    std::mutex mutex_;
    std::array<Region, capacity + 1> regions_;  // nobody gets the lkeys of the first one: 0 to 255
};

inline void MemoryRegions::Last::look(std::uint32_t lkey) noexcept {
    lkey_ = lkey;
    addr_ = nowhere;
    length_ = 0;
    const std::uint32_t slot = lkey >> 8;
    if (slot > capacity || lkey == 0) return;
    const Region& region = regions_.regions_[slot];
    if (region.lkey.load(std::memory_order_acquire) != lkey || region.domain != domain_ || (write_ && !region.writable))
        return;
    addr_ = region.addr;
    length_ = region.length;
    offset_ = region.offset;
}

}  // namespace pktverbs::soft
