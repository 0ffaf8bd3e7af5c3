// SPDX-License-Identifier: Apache-2.0
// TimestampClock: which clock the timestamps of received packets are read from.
#pragma once

#include <cstdint>
#include <string_view>

#include <pktverbs/export.hpp>

namespace pktverbs {

enum class TimestampClock : std::uint8_t {
    absent,    ///< packets carry no timestamps
    device,    ///< the NIC's counter, read as the frame arrived; it runs from a start and at a pace of its own
    delivery,  ///< CLOCK_REALTIME, read as the soft device delivered the frame's batch
    kernel,    ///< CLOCK_REALTIME, read by the kernel as it received the frame
};

/// "absent", "device", "delivery", "kernel".
PKTVERBS_EXPORT std::string_view to_string(TimestampClock clock) noexcept;

}  // namespace pktverbs
