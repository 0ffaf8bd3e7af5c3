// SPDX-License-Identifier: Apache-2.0
#include "summary.hpp"

#include <fmt/format.h>

#include "report_line.hpp"

namespace capture {

std::string Summary::format(const FlowSequences& sequences) const {
    const double seconds = std::chrono::duration<double>{time}.count();
    const auto gbps = seconds > 0 ? 8e-9 * static_cast<double>(counts.received_bytes) / seconds : 0;
    std::string text = fmt::format("received: {} packets, {} bytes in {:.1f} s, {:.3f} Gb/s\n", counts.received,
                                   counts.received_bytes, seconds, gbps);
    text += fmt::format("written: {} packets, {} bytes {}: {}\n", counts.written, file_bytes, where, how);
    text += fmt::format("{}\n", describe_drops(counts));
    for (const auto& flow : sequences.flows()) {
        text += fmt::format("flow {}: {} packets", flow.flow.text, flow.packets);
        if (sequences.has_numbers())
            text += fmt::format(", missing {}, reordered {}, duplicated {}", flow.numbers.missing(),
                                flow.numbers.reordered(), flow.numbers.duplicated());
        if (flow.numbers.wild() > 0) text += fmt::format(", from nowhere near {}", flow.numbers.wild());
        if (flow.numbers.restarts() > 0) text += fmt::format(", sender started anew {} times", flow.numbers.restarts());
        if (flow.without_number > 0) text += fmt::format(", without a number {}", flow.without_number);
        text += '\n';
    }
    if (sequences.others() > 0)
        text += fmt::format("of no flow, by their headers: {} packets (fragments, or cut short)\n", sequences.others());
    text += fmt::format("{}\n", describe_losses(counts.device));
    text +=
        fmt::format("sum: {} received = {} written + {} dropped\n", counts.received, counts.written, counts.dropped());
    return text;
}

}  // namespace capture
