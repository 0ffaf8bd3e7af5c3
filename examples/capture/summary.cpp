// SPDX-License-Identifier: Apache-2.0
#include "summary.hpp"

#include <fmt/format.h>

#include <iterator>

#include "report_line.hpp"

namespace capture {

std::string Summary::format(const FlowSequences& sequences) const {
    const double seconds = std::chrono::duration<double>{time}.count();
    const auto gbps = seconds > 0 ? 8e-9 * static_cast<double>(counts.received_bytes) / seconds : 0;
    std::string text;
    auto to = std::back_inserter(text);
    fmt::format_to(to, "received: {} packets, {} bytes in {:.1f} s, {:.3f} Gb/s\n", counts.received,
                   counts.received_bytes, seconds, gbps);
    fmt::format_to(to, "written: {} packets, {} bytes on disk in {}: {}\n", counts.written, file_bytes, path, how);
    fmt::format_to(to, "{}\n", describe_drops(counts));
    for (const auto& flow : sequences.flows()) {
        fmt::format_to(to, "flow {}: {} packets", flow.flow.to_string(), flow.packets);
        if (sequences.has_numbers())
            fmt::format_to(to, ", missing {}, reordered {}, duplicated {}", flow.numbers.missing(),
                           flow.numbers.reordered(), flow.numbers.duplicated());
        if (flow.numbers.restarts() > 0) fmt::format_to(to, ", sender started anew {} times", flow.numbers.restarts());
        if (flow.without_number > 0) fmt::format_to(to, ", without a number {}", flow.without_number);
        text += '\n';
    }
    fmt::format_to(to, "{}\n", describe_losses(counts.device));
    fmt::format_to(to, "sum: {} received = {} written + {} dropped\n", counts.received, counts.written,
                   counts.dropped());
    return text;
}

}  // namespace capture
