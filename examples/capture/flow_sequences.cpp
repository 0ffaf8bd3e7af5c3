// SPDX-License-Identifier: Apache-2.0
#include "flow_sequences.hpp"

#include <algorithm>

#include <pktverbs/net/headers.hpp>

namespace capture {

FlowSequences::FlowSequences(const std::vector<CapturedFlow>& flows, std::optional<pktverbs::SequenceField> sequence)
    : sequence_{sequence} {
    constexpr std::size_t longest_headers = 128;  // VLAN tags and IP options included
    front_bytes_ = longest_headers + (sequence ? sequence->end() : 0);
    for (const auto& flow : flows)
        flows_.push_back(
            {.flow = flow, .numbers = pktverbs::SequenceCounter{sequence.value_or(pktverbs::SequenceField{})}});
}

void FlowSequences::add(std::span<const std::uint8_t> header, std::span<const std::uint8_t> rest) {
    auto frame = rest;
    if (!header.empty()) {
        const auto bytes = header.size() + rest.size();
        if (frame_.size() < std::max(bytes, front_bytes_)) frame_.resize(std::max(bytes, front_bytes_));
        const auto from_header = std::min(header.size(), front_bytes_);
        const auto from_rest = std::min(rest.size(), front_bytes_ - from_header);
        std::copy_n(rest.begin(), from_rest, std::copy_n(header.begin(), from_header, frame_.begin()));
        frame = {frame_.data(), bytes};
    }
    const pktverbs::net::Headers found{frame};
    for (auto& flow : flows_) {
        if (!flow.flow.has(found)) continue;
        ++flow.packets;
        if (sequence_) add_number(flow, found.payload());
        return;
    }
    ++others_;
}

void FlowSequences::add_number(Flow& flow, std::span<const std::uint8_t> payload) const {
    if (payload.size() < sequence_->end())
        ++flow.without_number;
    else
        flow.numbers.add(sequence_->read(payload.data()));
}

std::uint64_t FlowSequences::missing() const noexcept {
    std::uint64_t sum = 0;
    for (const auto& flow : flows_) sum += flow.numbers.missing();
    return sum;
}

}  // namespace capture
