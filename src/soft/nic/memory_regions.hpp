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
        for (std::uint32_t i = 0; i < capacity; ++i) {
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
            const std::uint32_t lkey = (i + 1) << 8 | region.uses;
            // A thread that reads the lkey sees the fields above.
            region.lkey.store(lkey, std::memory_order_release);
            return lkey;
        }
        return 0;
    }

    /// Makes the lkey invalid; a check that began earlier may still be running.
    void revoke(std::uint32_t lkey) noexcept { regions_[(lkey >> 8) - 1].lkey.store(0, std::memory_order_release); }
    /// Lets the next add() reuse a revoked lkey's place: no check of it may be running.
    void release(std::uint32_t lkey) noexcept {
        const std::lock_guard lock{mutex_};
        regions_[(lkey >> 8) - 1].taken = false;
    }

    /// The real address of `length` bytes at `addr`; 0 if they don't lie in the region of `lkey`, or it belongs to
    /// another protection domain. A parent domain has the handle of its protection domain, so either will do, as on
    /// mlx5.
    std::uint64_t find(std::uint32_t lkey, const ibv_pd* pd, std::uint64_t addr, std::uint64_t length,
                       bool write) const noexcept {
        const std::uint32_t slot = (lkey >> 8) - 1;
        if (slot >= capacity) return 0;
        const Region& region = regions_[slot];
        if (region.lkey.load(std::memory_order_acquire) != lkey) return 0;
        // In this form no sum can overflow.
        const bool covered = region.domain == pd->handle && addr >= region.addr && length <= region.length &&
                             addr - region.addr <= region.length - length && (region.writable || !write);
        return covered ? addr + region.offset : 0;
    }

private:
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
    std::array<Region, capacity> regions_;
};

}  // namespace pktverbs::soft
