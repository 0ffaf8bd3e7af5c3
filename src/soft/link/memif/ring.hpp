// SPDX-License-Identifier: Apache-2.0
// Ring: one ring of descriptors in memory that a peer may write at any time.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace pktverbs::soft::memif {

/// A piece of a frame, or an empty buffer for one.
struct Descriptor {
    static constexpr std::uint16_t next = 1;  ///< a flag: the frame goes on in the next descriptor

    std::uint16_t flags;
    std::uint16_t region;
    std::uint32_t length;
    std::uint32_t offset;
    std::uint32_t metadata;
};
static_assert(sizeof(Descriptor) == 16);

/// Every read is a single load of each word, so a value that was checked is the value that is used. Indexes run free
/// in 16 bits.
class Ring {
public:
    static constexpr std::uint32_t magic = 0x3E31F20;
    static constexpr unsigned max_log2_slots = 14;
    static constexpr std::size_t alignment = 8;  ///< for the descriptors' words

    static constexpr std::uint64_t bytes(unsigned log2_slots) noexcept {
        return descriptors_at + (std::uint64_t{sizeof(Descriptor)} << log2_slots);
    }

    /// bytes(log2_slots) from `base` on are mapped, and aligned.
    Ring(std::byte* base, unsigned log2_slots) noexcept
        : base_{base}, slots_{static_cast<std::uint16_t>(1U << log2_slots)} {}

    std::uint16_t slots() const noexcept { return slots_; }

    std::uint32_t cookie() const noexcept { return word<std::uint32_t>(0).load(std::memory_order_relaxed); }
    void set_cookie() const noexcept { word<std::uint32_t>(0).store(magic, std::memory_order_relaxed); }
    std::atomic_ref<std::uint16_t> head() const noexcept { return word<std::uint16_t>(head_at); }
    std::atomic_ref<std::uint16_t> tail() const noexcept { return word<std::uint16_t>(tail_at); }

    /// The receiver of frames wants no interrupts.
    bool is_masked() const noexcept { return (flags().load(std::memory_order_relaxed) & mask_interrupts) != 0; }
    void set_masked(bool masked) const noexcept {
        flags().store(masked ? mask_interrupts : std::uint16_t{0}, std::memory_order_relaxed);
    }

    Descriptor read(std::uint16_t index) const noexcept {
        const std::size_t at = place(index);
        const std::uint64_t words[2] = {word<std::uint64_t>(at).load(std::memory_order_relaxed),
                                        word<std::uint64_t>(at + 8).load(std::memory_order_relaxed)};
        Descriptor descriptor;
        std::memcpy(&descriptor, words, sizeof descriptor);
        return descriptor;
    }
    /// Words that are the same already stay: a write would take the cache line from the peer, which has just read it.
    void write(std::uint16_t index, const Descriptor& descriptor) const noexcept {
        const std::size_t at = place(index);
        std::uint64_t words[2];
        std::memcpy(words, &descriptor, sizeof descriptor);
        change(at, words[0]);
        change(at + 8, words[1]);
    }

private:
    static constexpr std::uint16_t mask_interrupts = 1;
    static constexpr std::size_t flags_at = 4;
    static constexpr std::size_t head_at = 6;
    static constexpr std::size_t tail_at = 64;
    static constexpr std::size_t descriptors_at = 128;

    template <class Word>
    std::atomic_ref<Word> word(std::size_t at) const noexcept {
        return std::atomic_ref<Word>{*reinterpret_cast<Word*>(base_ + at)};
    }
    void change(std::size_t at, std::uint64_t to) const noexcept {
        const auto here = word<std::uint64_t>(at);
        if (here.load(std::memory_order_relaxed) != to) here.store(to, std::memory_order_relaxed);
    }
    std::atomic_ref<std::uint16_t> flags() const noexcept { return word<std::uint16_t>(flags_at); }
    std::size_t place(std::uint16_t index) const noexcept {
        return descriptors_at + sizeof(Descriptor) * (index & static_cast<std::size_t>(slots_ - 1));
    }

    std::byte* base_;
    std::uint16_t slots_;
};

}  // namespace pktverbs::soft::memif
