// SPDX-License-Identifier: Apache-2.0
// SinkTotals: what came and what did not, and who lost it.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include <pktverbs/verbs/device.hpp>
#include "base/record.hpp"
#include "traffic/received_flows.hpp"

namespace tool {

/// Sums that add up: missing = lost by this device + lost on the way. `flows` must outlive it.
class SinkTotals {
public:
    SinkTotals(const ReceivedFlows& flows, const pktverbs::verbs::DeviceDrops& before,
               const pktverbs::verbs::DeviceDrops& after, std::uint64_t failed, double seconds);

    /// Whether something came, and nothing is missing.
    bool is_good() const noexcept;
    std::string to_string() const;
    Record to_record() const;

private:
    const ReceivedFlows& flows_;
    ReceivedFlows::Sum sum_;
    std::uint64_t failed_;
    double seconds_;
    std::vector<std::pair<const char*, std::uint64_t>> lost_by_device_;  ///< wanted frames, by reason
    std::uint64_t device_lost_;
    std::uint64_t fragments_ = 0;    ///< that the device did not pass on, as they show no port
    std::uint64_t unwanted_;         ///< frames that no flow asked for
    std::uint64_t missing_here_;     ///< of the missing numbers, those that this device lost
    std::uint64_t lost_unnumbered_;  ///< what it lost besides: before the first packet, after the last, other frames
};

}  // namespace tool
