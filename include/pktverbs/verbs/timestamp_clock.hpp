// SPDX-License-Identifier: Apache-2.0
// TimestampClock: the clock of received packets' timestamps.
#pragma once

#include <cstdint>
#include <string_view>

#include <pktverbs/export.hpp>

namespace pktverbs {

/// Names the clock that the timestamps of received packets come from.
enum class TimestampClock : std::uint8_t {
    absent,    ///< packets carry no timestamps
    device,    ///< the NIC's counter, read as the frame arrived; it has its own start and pace
    delivery,  ///< CLOCK_REALTIME, read as the soft device delivered the frame's batch
    kernel,    ///< CLOCK_REALTIME, read by the kernel as it received the frame
    recorded,  ///< UTC as a capture file has it: when the frame was captured
};

/// Returns "absent", "device", "delivery", "kernel" or "recorded".
PKTVERBS_EXPORT std::string_view to_string(TimestampClock clock) noexcept;

}  // namespace pktverbs
