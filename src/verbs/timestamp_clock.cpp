// SPDX-License-Identifier: Apache-2.0
#include <pktverbs/verbs/timestamp_clock.hpp>

namespace pktverbs {

std::string_view to_string(TimestampClock clock) noexcept {
    switch (clock) {
        case TimestampClock::absent:
            return "absent";
        case TimestampClock::device:
            return "device";
        case TimestampClock::delivery:
            return "delivery";
        case TimestampClock::kernel:
            return "kernel";
        case TimestampClock::recorded:
            return "recorded";
    }
    return "unknown";
}

}  // namespace pktverbs
