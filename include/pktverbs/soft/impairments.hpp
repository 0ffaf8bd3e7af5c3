// SPDX-License-Identifier: Apache-2.0
// Impairments: what happens to frames on their way to a soft device.
#pragma once

#include <chrono>
#include <cstdint>

#include <pktverbs/export.hpp>

struct ibv_context;

namespace pktverbs::soft {

/// A bad network in front of a soft device: loss, delay and the rest of what tc-netem(8) does to an interface, for the
/// frames that arrive.
///
/// Chances are from 0 to 1, per frame. One generator draws them all, so a seed repeats what becomes of the nth frame.
struct Impairments {
    /// Loss in bursts, by the model of Gilbert and Elliott: there are a good and a bad state, each with its loss. For
    /// each frame it is drawn whether the state changes, then whether the frame is lost in the state that was.
    struct BurstLoss {
        double to_bad = 0;   ///< the chance that the bad state begins; tc-netem's p
        double to_good = 0;  ///< the chance that it ends; r
        double in_bad = 1;   ///< the chance that a frame is lost in it; 1-h
        double in_good = 0;  ///< the same in the good state; 1-k
    };

    double loss = 0;         ///< the frame is not delivered
    double duplication = 0;  ///< it is delivered twice
    /// With a delay, the frame is not delayed; without, it is held back until the next one has passed it.
    double reordering = 0;
    double corruption = 0;             ///< one bit is flipped
    std::uint64_t seed = 1;            ///< of the generator
    BurstLoss bursts{};                ///< besides `loss`
    std::chrono::nanoseconds delay{};  ///< frames are delivered so much later
    /// Added to or taken from the delay, evenly distributed; frames overtake each other.
    std::chrono::nanoseconds jitter{};
    /// Bits per second of a line that frames pass one after the other, from their Ethernet header on; 0: no such line.
    std::uint64_t rate = 0;
    std::uint32_t limit = 1000;  ///< most frames that wait for `delay` and `rate`; further ones are lost
};

/// Counts frames: arrived + duplicated = delivered + lost + overflowed + held.
struct ImpairmentCounters {
    std::uint64_t arrived = 0;     ///< frames that the link had for the device
    std::uint64_t duplicated = 0;  ///< additional copies that were made
    std::uint64_t delivered = 0;   ///< frames that the device got
    std::uint64_t lost = 0;        ///< frames lost by `loss` or `bursts`
    std::uint64_t overflowed = 0;  ///< frames lost for `limit`, or for lack of memory
    std::uint64_t held = 0;        ///< frames that wait now
    std::uint64_t reordered = 0;   ///< frames that were held back, or not delayed
    std::uint64_t corrupted = 0;   ///< frames with a bit flipped
};

/// Changes the impairments of an opened soft device, Context::raw(), from the next frame on. Frames that wait keep
/// their times. Restarts the generator from the seed. Any thread. Throws std::system_error: EOPNOTSUPP if it is no soft
/// device, or none whose device string has one of the impairments' keys ("loss=0" will do); EINVAL for a value out of
/// its range.
PKTVERBS_EXPORT void set_impairments(ibv_context* context, const Impairments& impairments);

/// Returns the counters of such a device since it was opened. Any thread. Throws as set_impairments() does.
PKTVERBS_EXPORT ImpairmentCounters impairment_counters(ibv_context* context);

}  // namespace pktverbs::soft
