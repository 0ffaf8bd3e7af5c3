// SPDX-License-Identifier: Apache-2.0
// FlowSequences: counts the packets of each flow, and what is missing from its sequence.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "common/sequence_tracker.hpp"
#include "sequence_option.hpp"
#include "udp_flow.hpp"

namespace capture {

/// One sender per flow is assumed: of several, the numbers mean nothing.
class FlowSequences {
public:
    FlowSequences(const std::vector<UdpFlow>& flows, std::optional<SequenceOption> sequence);

    /// A frame in two parts.
    void add(std::span<const std::uint8_t> header, std::span<const std::uint8_t> rest);

    struct Flow {
        UdpFlow flow;
        std::uint64_t packets = 0;
        std::uint64_t without_number = 0;  ///< too short for one
        std::uint64_t last_number = 0;
        example::SequenceTracker numbers{};
    };
    const std::vector<Flow>& flows() const noexcept { return flows_; }
    bool has_numbers() const noexcept { return sequence_.has_value(); }
    /// Of all flows.
    std::uint64_t missing() const noexcept;

private:
    void add_number(Flow& flow, std::span<const std::uint8_t> payload) const;

    std::optional<SequenceOption> sequence_;
    std::size_t front_bytes_;          ///< of a frame are looked at
    std::vector<std::uint8_t> frame_;  ///< whose front is in one piece; the rest is whatever was there before
    std::vector<Flow> flows_;
};

}  // namespace capture
