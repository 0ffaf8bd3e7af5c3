// SPDX-License-Identifier: Apache-2.0
// FlowSequences: counts the packets of each flow, and those missing from its sequence.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include <pktverbs/ring/sequence_counter.hpp>
#include <pktverbs/ring/sequence_field.hpp>
#include "captured_flow.hpp"

namespace capture {

/// Assumes one sender per flow; with several, the numbers mean nothing.
class FlowSequences {
public:
    /// `sequence` is counted from the UDP payload. A packet is the first flow's that has it.
    FlowSequences(const std::vector<CapturedFlow>& flows, std::optional<pktverbs::SequenceField> sequence);

    /// A frame in two parts.
    void add(std::span<const std::uint8_t> header, std::span<const std::uint8_t> rest);

    struct Flow {
        CapturedFlow flow;
        std::uint64_t packets = 0;
        std::uint64_t without_number = 0;  ///< too short for one
        pktverbs::SequenceCounter numbers{};
    };
    const std::vector<Flow>& flows() const noexcept { return flows_; }
    bool has_numbers() const noexcept { return sequence_.has_value(); }
    /// The sum over all flows.
    std::uint64_t missing() const noexcept;
    /// Packets whose headers do not show their flow: fragments, and packets that are cut short.
    std::uint64_t others() const noexcept { return others_; }

private:
    void add_number(Flow& flow, std::span<const std::uint8_t> payload) const;

    std::optional<pktverbs::SequenceField> sequence_;
    std::size_t front_bytes_;          ///< of a frame that are parsed
    std::vector<std::uint8_t> frame_;  ///< only its front is filled; the rest is undefined
    std::vector<Flow> flows_;
    std::uint64_t others_ = 0;
};

}  // namespace capture
