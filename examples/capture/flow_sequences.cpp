// SPDX-License-Identifier: Apache-2.0
#include "flow_sequences.hpp"

#include <algorithm>

namespace capture {

FlowSequences::FlowSequences(const std::vector<UdpFlow>& flows, std::optional<SequenceOption> sequence)
    : sequence_{sequence} {
    constexpr std::size_t longest_headers = 128;  // with IP options and more VLAN tags than anyone has
    front_.resize(longest_headers + (sequence ? sequence->offset + sequence->width : 0));
    for (const auto& flow : flows) flows_.push_back({flow});
}

void FlowSequences::add(std::span<const std::uint8_t> header, std::span<const std::uint8_t> rest) {
    auto front = rest.first(std::min(rest.size(), front_.size()));
    if (!header.empty()) {
        const auto from_header = std::min(header.size(), front_.size());
        const auto from_rest = std::min(rest.size(), front_.size() - from_header);
        std::copy_n(rest.begin(), from_rest, std::copy_n(header.begin(), from_header, front_.begin()));
        front = {front_.data(), from_header + from_rest};
    }
    const auto payload = find_udp_payload(front, header.size() + rest.size());
    if (!payload) return;
    for (auto& flow : flows_) {
        if (flow.flow.port != payload->port) continue;
        if (flow.flow.address && *flow.flow.address != payload->address) continue;
        ++flow.packets;
        if (sequence_) add_number(flow, payload->bytes);
        return;
    }
}

void FlowSequences::add_number(Flow& flow, std::span<const std::uint8_t> payload) const {
    const auto number = sequence_->read(payload);
    if (!number) {
        ++flow.without_number;
        return;
    }
    // Far from 0, so that numbers from before the first one are there to be had.
    constexpr std::uint64_t anywhere = std::uint64_t{1} << 62;
    const bool is_first = flow.numbers.received() == 0;
    flow.last_number =
        sequence_->width == 8 ? *number : sequence_->unwrap(*number, is_first ? anywhere : flow.last_number);
    flow.numbers.add(flow.last_number);
}

std::uint64_t FlowSequences::missing() const noexcept {
    std::uint64_t sum = 0;
    for (const auto& flow : flows_) sum += flow.numbers.missing();
    return sum;
}

}  // namespace capture
