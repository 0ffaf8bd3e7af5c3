// SPDX-License-Identifier: Apache-2.0
// HostileWrites: writes over a ring, from a script, before accesses to it.
#pragma once

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <span>

#include <pktverbs/ring/ring_layout.hpp>

namespace pktverbs::testing {

inline void expect(bool holds, const char* what) {
    if (holds) return;
    std::fprintf(stderr, "not so: %s\n", what);
    std::abort();
}

/// Four bytes for each write: how many accesses later it happens, the kind of word, which one, and the value. A write
/// may be repeated before every access until the next write: so a value never stays as the ring wrote it.
class HostileWrites {
public:
    HostileWrites(std::span<const std::uint8_t> script, const RingView& view) : script_{script}, view_{view} {
        active_ = this;
        ring_hook = [] { active_->access(); };
        take();
    }
    HostileWrites(const HostileWrites&) = delete;
    HostileWrites& operator=(const HostileWrites&) = delete;
    ~HostileWrites() { ring_hook = nullptr; }

    /// A call begins. It may check every block for every block, and every slot, a few times; then it must end.
    void begin_call() noexcept { accesses_ = 0; }

private:
    struct Write {
        std::uint8_t* at;
        std::uint64_t value;
        std::uint32_t bytes;
    };

    void access() {
        const std::uint64_t blocks = view_.geometry().blocks;
        const std::uint64_t most = 64 * (blocks * blocks + blocks * (16 + view_.geometry().block_slots));
        expect(++accesses_ < most, "a call ends with any writes meanwhile");
        if (repeated_) put(*repeated_);
        if (!next_ || delay_-- != 0) return;
        put(*next_);
        repeated_ = repeats_ ? next_ : std::nullopt;
        take();
    }
    static void put(const Write& write) { std::memcpy(write.at, &write.value, write.bytes); }

    void take() {
        next_.reset();
        if (script_.size() < 4) return;
        const std::uint8_t what = script_[1], which = script_[2], with = script_[3];
        delay_ = script_[0];
        repeats_ = (what & 0x80) != 0;
        const std::uint32_t block = which % view_.geometry().blocks;
        std::uint8_t* const sides = view_.memory() + offsetof(RingHeader, producer);
        switch (what & 3) {
            case 0:
                next_ = word_at(&view_.state(block), state(with));
                break;
            case 1:
                next_ = Write{sides + which % 32 * 4, value(with), 4};
                break;
            case 2:
                next_ = word_at(view_.block(block) + (what >> 2 & 3) * 8, value(with));
                break;
            default:
                next_ = word_at(view_.memory() + (which + 256U * (what >> 2 & 31)) * 8 % view_.layout().total_bytes,
                                value(with));
        }
        script_ = script_.subspan(4);
    }
    static Write word_at(void* at, std::uint64_t value) { return {static_cast<std::uint8_t*>(at), value, 8}; }
    /// Mostly numbers that are likely to occur.
    static std::uint64_t state(std::uint8_t with) {
        const std::uint64_t number = with >= 252 ? ~std::uint64_t{0} : with >> 2;
        return RingState::word(number, static_cast<RingState::Kind>(with & 3));
    }
    static std::uint64_t value(std::uint8_t with) {
        const std::uint64_t low = with & 31;
        switch (with >> 5) {
            case 0:
                return low;
            case 1:
                return low | low << 32;
            case 2:
                return std::uint64_t{1} << low * 2;
            case 3:
                return ~low;
            case 4:
                return low << 32;
            case 5:
                return (std::uint64_t{1} << 32) - low;
            case 6:
                return 0x0101010101010101 * low;
            default:
                return (std::uint64_t{1} << 63) - low;
        }
    }

    static inline HostileWrites* active_ = nullptr;
    std::span<const std::uint8_t> script_;
    const RingView view_;
    std::optional<Write> next_;
    std::optional<Write> repeated_;
    std::uint64_t accesses_ = 0;
    std::uint8_t delay_ = 0;
    bool repeats_ = false;
};

}  // namespace pktverbs::testing
