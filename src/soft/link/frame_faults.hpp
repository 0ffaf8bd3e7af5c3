// SPDX-License-Identifier: Apache-2.0
// FrameFaults: decides which frames are lost, come twice, late or damaged.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <random>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <pktverbs/soft/wire.hpp>

#include "soft/link/link.hpp"

namespace pktverbs::soft {

/// The same for any link; there, per frame that arrives.
using LinkFaults = WireFaults;

/// Whether any of them can happen.
inline bool any_of(const LinkFaults& faults) noexcept {
    return faults.loss > 0 || faults.duplication > 0 || faults.reordering > 0 || faults.corruption > 0;
}

/// What one of them is called in texts.
struct FaultKey {
    std::string_view name;
    std::string_view value;                ///< as forms show it: P is a chance from 0 to 1
    double LinkFaults::*chance = nullptr;  ///< the seed has none
};
inline constexpr std::array fault_keys{FaultKey{"loss", "P", &LinkFaults::loss},
                                       FaultKey{"duplicate", "P", &LinkFaults::duplication},
                                       FaultKey{"reorder", "P", &LinkFaults::reordering},
                                       FaultKey{"corrupt", "P", &LinkFaults::corruption}, FaultKey{"seed", "N"}};
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

    /// Calls `deliver(const RxFrame&)` for all that arrives at an end now: none, one or several frames. Frames are
    /// copied only to be held or damaged; without memory for that they are neither, and count as neither.
    template <class Deliver>
    void pass(const RxFrame& frame, HeldFrame& held, Deliver&& deliver) {
        if (drawn(faults_.loss)) {
            ++counts_.lost;
            return;
        }
        const int copies = drawn(faults_.duplication) ? 2 : 1;
        counts_.duplicated += static_cast<unsigned>(copies - 1);
        for (int i = 0; i < copies; ++i) {
            const RxFrame copy = frame.length > 0 && drawn(faults_.corruption) ? damaged(frame) : frame;
            if ((held.empty() || while_held_ == WhileHeld::draw_alike) && drawn(faults_.reordering) && held.empty() &&
                held.keep(copy)) {
                ++counts_.reordered;
                continue;
            }
            deliver(copy);
            held.release(deliver);
        }
    }

private:
    bool drawn(double chance) noexcept { return chance > 0 && std::uniform_real_distribution<>{}(generator_) < chance; }
    /// With one bit flipped; valid until the next call.
    RxFrame damaged(const RxFrame& frame) noexcept;

    WhileHeld while_held_;
    bool any_ = false;
    LinkFaults faults_;
    std::mt19937_64 generator_;
    Counts counts_;
    std::vector<std::uint8_t> damaged_;
};

}  // namespace pktverbs::soft
