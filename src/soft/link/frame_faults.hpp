// SPDX-License-Identifier: Apache-2.0
// FrameFaults: decides which frames are lost, come twice, late or damaged, and how late.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <random>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <pktverbs/soft/impairments.hpp>

#include "soft/link/link.hpp"

namespace pktverbs::soft {

using LinkFaults = Impairments;

/// Whether frames have to wait.
inline bool any_delay(const LinkFaults& faults) noexcept {
    return faults.delay.count() > 0 || faults.jitter.count() > 0 || faults.rate > 0;
}

/// Whether any of them can happen.
inline bool any_of(const LinkFaults& faults) noexcept {
    return faults.loss > 0 || faults.duplication > 0 || faults.reordering > 0 || faults.corruption > 0 ||
           faults.bursts.to_bad > 0 || faults.bursts.in_good > 0 || any_delay(faults);
}

/// Why a member can't have its value; empty if they all can.
std::string_view find_mistake(const LinkFaults& faults) noexcept;

/// What one of them is called in texts.
struct FaultKey {
    std::string_view name;
    std::string_view value;  ///< as forms show it: P is a chance from 0 to 1
    std::string_view range;  ///< "chance from 0 to 1": what its value is
    /// False if it is none.
    bool (*read)(LinkFaults& faults, std::string_view value);
};
extern const std::array<FaultKey, 10> fault_keys;
/// Null if no fault has that name.
const FaultKey* find_fault_key(std::string_view name) noexcept;
/// Returns why the value can't be that of the key, or nothing.
std::string set_fault(LinkFaults& faults, const FaultKey& key, std::string_view value);

/// What a receiving end keeps back for reordering: one frame at most.
class HeldFrame {
public:
    bool empty() const noexcept { return !held_; }

    /// False if there is no memory for a copy.
    bool keep(const RxFrame& frame) noexcept;
    /// Whether there was one.
    bool drop() noexcept { return std::exchange(held_, false); }
    /// Hands it to `deliver(const RxFrame&)`, if there is one.
    template <class Deliver>
    void release(Deliver&& deliver) {
        if (held_) [[unlikely]] {
            held_ = false;
            deliver(frame_);
        }
    }

private:
    RxFrame frame_{};
    std::vector<std::uint8_t> bytes_;
    bool held_ = false;
};

/// One generator for all ends that it is used for. Not thread-safe.
class FrameFaults {
public:
    struct Counts {
        std::uint64_t lost = 0;
        std::uint64_t duplicated = 0;
        std::uint64_t reordered = 0;
        std::uint64_t corrupted = 0;
    };
    /// Whether a frame is drawn for reordering while another is held, although it can't be held then. If so, what
    /// becomes of the nth frame doesn't depend on when a held one was released.
    enum class WhileHeld : bool { draw_nothing, draw_alike };

    explicit FrameFaults(WhileHeld while_held = WhileHeld::draw_nothing) noexcept : while_held_{while_held} {}

    /// Restarts the generator from the seed; the counts go on.
    void set(const LinkFaults& faults);
    bool any() const noexcept { return any_; }
    const Counts& counts() const noexcept { return counts_; }

    // For a link that delays frames: of the next one.
    std::chrono::nanoseconds delay() noexcept;
    bool skips_delay() noexcept;

    /// Calls `deliver(const RxFrame&)` for all that arrives at an end now: none, one or several frames. Frames are
    /// copied only to be held or damaged; without memory for that they are neither, and count as neither.
    template <class Deliver>
    void pass(const RxFrame& frame, HeldFrame& held, Deliver&& deliver) {
        if (drawn(faults_.loss) || burst_loses()) {
            ++counts_.lost;
            return;
        }
        const int copies = drawn(faults_.duplication) ? 2 : 1;
        counts_.duplicated += static_cast<unsigned>(copies - 1);
        for (int i = 0; i < copies; ++i) {
            const RxFrame copy = frame.length > 0 && drawn(faults_.corruption) ? damaged(frame) : frame;
            if (!any_delay(faults_) && (held.empty() || while_held_ == WhileHeld::draw_alike) &&
                drawn(faults_.reordering) && held.empty() && held.keep(copy)) {
                ++counts_.reordered;
                continue;
            }
            deliver(copy);
            held.release(deliver);
        }
    }

private:
    bool drawn(double chance) noexcept { return chance > 0 && std::uniform_real_distribution<>{}(generator_) < chance; }
    bool burst_loses() noexcept;
    /// With one bit flipped; valid until the next call.
    RxFrame damaged(const RxFrame& frame) noexcept;

    WhileHeld while_held_;
    bool any_ = false;
    bool in_burst_ = false;
    LinkFaults faults_;
    std::mt19937_64 generator_;
    Counts counts_;
    std::vector<std::uint8_t> damaged_;
};

}  // namespace pktverbs::soft
