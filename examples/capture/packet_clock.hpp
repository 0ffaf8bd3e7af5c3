// SPDX-License-Identifier: Apache-2.0
// PacketClock: when packets were received, in nanoseconds since 1970, from timestamps of any clock.
#pragma once

#include <chrono>
#include <optional>

#include <pktverbs/context.hpp>
#include <pktverbs/time/device_clock.hpp>
#include <pktverbs/verbs/timestamp_clock.hpp>

namespace capture {

/// For one thread at a time.
class PacketClock {
public:
    /// The context must outlive it. Throws std::system_error if its device's clock cannot be read.
    explicit PacketClock(pktverbs::Context& ctx);

    /// Reads the clocks again, about once a second. Call it before the packets of a block.
    void update();

    /// Returns the time of the last update() for packets without timestamps.
    std::chrono::nanoseconds at(std::chrono::nanoseconds timestamp) const noexcept {
        if (timestamp.count() == 0) return now_;
        return device_ ? device_->at(timestamp) : timestamp;
    }

private:
    std::optional<pktverbs::DeviceClock> device_;
    std::chrono::nanoseconds now_{};
    std::chrono::nanoseconds device_updated_{};
};

}  // namespace capture
