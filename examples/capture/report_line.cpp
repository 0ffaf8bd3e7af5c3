// SPDX-License-Identifier: Apache-2.0
#include "report_line.hpp"

#include <fmt/format.h>

#include <utility>

namespace capture {

namespace {

/// "NAME 12 (this 10, that 2)" of what isn't 0.
class Parts {
public:
    void add(std::string_view name, std::uint64_t count) {
        sum_ += count;
        if (count > 0) text_ += fmt::format("{}{} {}", text_.empty() ? "" : ", ", name, count);
    }
    std::string format(std::string_view name) const {
        return text_.empty() ? fmt::format("{} 0", name) : fmt::format("{} {} ({})", name, sum_, text_);
    }

private:
    std::uint64_t sum_ = 0;
    std::string text_;
};

double seconds(std::chrono::nanoseconds time) { return std::chrono::duration<double>{time}.count(); }

}  // namespace

std::string describe_drops(const Counts& counts) {
    Parts parts;
    for (std::size_t i = 0; i < drop_names.size(); ++i) parts.add(drop_names[i], counts.drops[i]);
    return parts.format("drops");
}

std::string describe_losses(const pktverbs::verbs::DeviceDrops& device) {
    Parts parts;
    parts.add("out of buffer", device.out_of_buffer);
    parts.add("not ready", device.not_ready);
    parts.add("oversize", device.oversize);
    parts.add("link", device.link);
    parts.add("fragments", device.fragments);
    return parts.format("lost before");
}

std::string ReportLine::format(const Counts& counts, bool has_numbers, Clock::time_point now) {
    const auto bits = 8 * static_cast<double>(counts.received_bytes - last_counts_.received_bytes);
    auto line = fmt::format("{:.1f} s: {} packets, {:.3f} Gb/s", seconds(now - start_),
                            counts.received - last_counts_.received, 1e-9 * bits / seconds(now - last_));
    if (has_numbers) line += fmt::format(", missing {}", counts.missing);
    line += fmt::format(", ring {}/{}, {}, {}", counts.filled_blocks, counts.ring_blocks, describe_drops(counts),
                        describe_losses(counts.device));
    last_ = now;
    last_counts_ = counts;
    return line;
}

}  // namespace capture
