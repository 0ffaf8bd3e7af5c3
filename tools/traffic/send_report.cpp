// SPDX-License-Identifier: Apache-2.0
#include "send_report.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "base/quantity.hpp"

namespace tool {

using pktverbs::Rate;

SendReport& SendReport::operator+=(const SendReport& other) {
    packets += other.packets;
    bytes += other.bytes;
    seconds = std::max(seconds, other.seconds);
    if (asked && other.asked)
        asked = rate_like(*asked, asked->per_second() + other.asked->per_second());
    else if (other.asked)
        asked = other.asked;
    achieved += other.achieved;
    missed = missed || other.missed;
    blocked_seconds += other.blocked_seconds;
    cpu_seconds += other.cpu_seconds;
    threads += other.threads;
    longest_lag = std::max(longest_lag, other.longest_lag);
    if (error == 0) error = other.error;
    return *this;
}

std::string SendReport::reason() const {
    if (error != 0) return fmt::format("the device refused a packet: {}", std::strerror(error));
    if (threads == 0) return "nothing was sent: no other program came";
    const double all = seconds * threads;
    if (blocked_seconds > all / 10)
        return fmt::format("back-pressure: no free buffer for {} of the time", percent(blocked_seconds, all));
    if (cpu_seconds > all * 0.9)
        return threads == 1 ? "CPU: the sending thread was busy all the time"
                            : "CPU: the sending threads were busy all the time";
    return fmt::format("CPU: other programs had it, {} was left for sending", percent(cpu_seconds, all));
}

std::string rate_text(Rate::Unit unit, double per_second) {
    if (unit == Rate::Unit::packets) return packets_per_second(per_second);
    return bits_per_second(per_second) + (unit == Rate::Unit::wire_bits ? " on the wire" : "");
}

Rate rate_like(const Rate& unit, double per_second) {
    if (unit.unit() == Rate::Unit::packets) return Rate::packets(std::clamp(per_second, 0.001, 9e12));
    const double bits = std::clamp(per_second, 1e3, 9e12);
    return unit.unit() == Rate::Unit::frame_bits ? Rate::frame_bits(bits) : Rate::wire_bits(bits);
}

}  // namespace tool
