// SPDX-License-Identifier: Apache-2.0
#include "packet_clock.hpp"

#include <system_error>

namespace capture {

PacketClock::PacketClock(pktverbs::Context& ctx) {
    if (ctx.limits().timestamp_clock == pktverbs::TimestampClock::device) device_.emplace(ctx);
    update();
}

void PacketClock::update() {
    now_ = std::chrono::system_clock::now().time_since_epoch();
    if (!device_ || now_ - device_updated_ < std::chrono::seconds{1}) return;
    device_updated_ = now_;
    try {
        device_->update();
    } catch (const std::system_error&) {
        // The line through the readings so far goes on.
    }
}

}  // namespace capture
