// SPDX-License-Identifier: Apache-2.0
// RingWord, RingRecord: access to memory of a ring that another process may write at any time.
#pragma once

#include <array>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <type_traits>

namespace pktverbs {

// For tests that compile the ring with PKTVERBS_RING_HOOK: called before every access to a word, so that a write of the
// other side, or the death of this one, can come between any two accesses.
#ifdef PKTVERBS_RING_HOOK
inline void (*ring_hook)() = nullptr;
inline void before_ring_access() noexcept {
    if (ring_hook) ring_hook();
}
#else
/// Does nothing, except in those tests.
inline void before_ring_access() noexcept {}
#endif

/// A word of shared memory, like std::atomic. Each load reads it once, also without optimization; the result is
/// private.
template <class T>
class RingWord {
public:
    /// Reads the word.
    T load(std::memory_order order) const noexcept {
        before_ring_access();
        return word_.load(order);
    }
    /// Writes the word.
    void store(T value, std::memory_order order) noexcept {
        before_ring_access();
        word_.store(value, order);
    }
    /// Adds to the word, and returns what it was before.
    T fetch_add(T value, std::memory_order order) noexcept {
        before_ring_access();
        return word_.fetch_add(value, order);
    }
    /// Stores `to` if the word is `from`. Returns whether it was.
    bool change(T from, T to, std::memory_order order) noexcept {
        before_ring_access();
        return word_.compare_exchange_strong(from, to, order, std::memory_order_relaxed);
    }
    /// Returns the word's address, for futex(2).
    const void* address() const noexcept { return &word_; }

private:
    std::atomic<T> word_;
    static_assert(std::atomic<T>::is_always_lock_free && sizeof(std::atomic<T>) == sizeof(T));
};

/// A value of several words in shared memory. load() copies each word once, so a copy that was checked stays as it was
/// checked. It is not atomic as a whole: while another process writes, words of two values may be mixed.
template <class Value>
class RingRecord {
public:
    /// Copies the value out.
    Value load() const noexcept {
        std::array<std::uint64_t, count> copy;
        for (std::size_t i = 0; i < count; ++i) copy[i] = words_[i].load(std::memory_order_relaxed);
        return std::bit_cast<Value>(copy);
    }
    /// Copies one of the value's words.
    std::uint64_t word(std::size_t index) const noexcept { return words_[index].load(std::memory_order_relaxed); }
    /// Writes the value.
    void store(const Value& value) noexcept {
        const auto copy = std::bit_cast<std::array<std::uint64_t, count>>(value);
        for (std::size_t i = 0; i < count; ++i) words_[i].store(copy[i], std::memory_order_relaxed);
    }
    /// Writes the value.
    void operator=(const Value& value) noexcept { store(value); }

private:
    static constexpr std::size_t count = sizeof(Value) / sizeof(std::uint64_t);
    static_assert(std::is_trivially_copyable_v<Value> && sizeof(Value) % sizeof(std::uint64_t) == 0);
    std::array<RingWord<std::uint64_t>, count> words_;
};

}  // namespace pktverbs
