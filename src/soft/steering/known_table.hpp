// SPDX-License-Identifier: Apache-2.0
// KnownTable: frames found again by bits of their first bytes.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <utility>
#include <vector>

namespace pktverbs::soft {

/// Five parts, each half as large as the one before. A frame is put into the first part, at the place that the hash of
/// its bits gives; what was there moves to its place in the next part, which is half the index, and so on. Most frames
/// are found in the first part, with a branch that is foreseen and in a cache line that no other part needs: of 10,000
/// flows in 65,536 entries 86 %, and as good as all somewhere. Of the same entries as sets of four it was 75 %, and
/// 0.4 % nowhere. `Value` has `least_bytes`: of a frame that can be like it. `words`: of 8 bytes, that are compared.
template <std::size_t words, class Value>
class KnownTable {
public:
    using Words = std::array<std::uint64_t, words>;
    struct alignas(64) Entry {
        Words seen;
        Value value;
    };

    /// A power of two, at least 64. Forgets all. Throws std::bad_alloc, and then nothing has changed.
    void resize(std::size_t entries) {
        std::vector<Entry>(entries).swap(entries_);
        shift_ = 64U - static_cast<unsigned>(std::bit_width(entries / 2 - 1));
        forget();
    }
    std::size_t size() const noexcept { return entries_.size(); }
    void forget() noexcept { std::ranges::fill(entries_, nobody); }

    /// The bits of a frame that `bits` has, which reads all words.
    [[gnu::always_inline]] static Words look(const std::uint8_t* frame, const Words& bits) noexcept {
        return each([&](auto... i) { return Words{(word(frame + 8 * i) & bits[i])...}; });
    }
    /// Whether look() would return that.
    [[gnu::always_inline]] static bool is_like(const std::uint8_t* frame, const Words& bits,
                                               const Words& seen) noexcept {
        return each([&](auto... i) { return (((word(frame + 8 * i) & bits[i]) ^ seen[i]) | ...) == 0; });
    }

    void put(const Words& seen, const Value& value) noexcept {
        Entry moved{seen, value};
        std::size_t index = index_of(seen);
        for (std::size_t part = 0; part != parts; ++part, index = after(index)) {
            std::swap(moved, entries_[index]);
            if (moved.value.least_bytes == nobody.value.least_bytes || is_same(moved.seen, seen)) return;
        }
    }
    /// Null if there is none, or it needs a longer frame.
    [[gnu::always_inline]] const Entry* find(const Words& seen, std::size_t frame_bytes) const noexcept {
        std::size_t index = index_of(seen);
        const Entry* entry = &entries_[index];
        for (std::size_t part = 1; !is_same(entry->seen, seen); ++part) {
            if (part == parts) return nullptr;
            index = after(index);
            entry = &entries_[index];
        }
        return frame_bytes >= entry->value.least_bytes ? entry : nullptr;
    }

    /// Like no frame, for none is so long.
    static constexpr Entry nobody{.seen = {}, .value = {.least_bytes = std::numeric_limits<std::uint32_t>::max()}};

private:
    static constexpr std::size_t parts = 5;
    /// Where what is at `index` moves: its place in the next part.
    std::size_t after(std::size_t index) const noexcept { return (entries_.size() + index) / 2; }

    /// Unrolled: g++ 12 does not do it by itself.
    template <class Do>
    [[gnu::always_inline]] static auto each(Do&& action) noexcept {
        return [&]<std::size_t... i>(std::index_sequence<i...>) {
            return action(std::integral_constant<std::size_t, i>{}...);
        }
        (std::make_index_sequence<words>{});
    }
    static std::uint64_t word(const std::uint8_t* from) noexcept {
        std::uint64_t word;
        std::memcpy(&word, from, sizeof word);
        return word;
    }
    static bool is_same(const Words& one, const Words& other) noexcept {
        return each([&](auto... i) { return ((one[i] ^ other[i]) | ...) == 0; });
    }
    std::size_t index_of(const Words& seen) const noexcept {
        constexpr std::uint64_t odd = 0x9e3779b97f4a7c15;  // 2^64 over the golden ratio
        std::uint64_t mixed = seen[0] ^ seen[1] ^ seen[2] ^ seen[3];
        // Turned, so that words with the same fields (addresses of IPv6) don't cancel each other out.
        for (std::size_t i = 5; i < words; ++i) mixed ^= std::rotl(seen[i], static_cast<int>(11 * i));
        return (mixed * odd + seen[4]) * odd >> shift_;
    }

    unsigned shift_ = 0;  ///< of a hash, so that an index is left
    std::vector<Entry> entries_;
};

}  // namespace pktverbs::soft
