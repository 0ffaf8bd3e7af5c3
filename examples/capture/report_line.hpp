// SPDX-License-Identifier: Apache-2.0
// ReportLine: a line a second on the progress of a capture.
#pragma once

#include <chrono>
#include <optional>
#include <string>

#include "counts.hpp"

namespace capture {

/// "drops 12 (ring full 10, late 2)"; "drops 0" if there were none.
std::string describe_drops(const Counts& counts);
/// "lost before 3 (out of buffer 1, link 2)": wanted frames that the device or the kernel lost.
std::string describe_losses(const pktverbs::verbs::DeviceDrops& device);

class ReportLine {
public:
    using Clock = std::chrono::steady_clock;
    explicit ReportLine(Clock::time_point start) : start_{start}, last_{start} {}

    Clock::time_point due() const noexcept { return last_ + std::chrono::seconds{1}; }

    /// Packets and bits of the time since the last line; all else of the whole capture:
    /// "3.0 s: 305000 packets, 9.870 Gb/s, missing 0, ring 2/16, drops 0, lost before 0".
    /// `missing` is left out where packets have no numbers.
    std::string format(const Counts& counts, bool has_numbers, Clock::time_point now);

private:
    Clock::time_point start_;
    Clock::time_point last_;
    Counts last_counts_;
};

}  // namespace capture
