// SPDX-License-Identifier: Apache-2.0
// Counters: a snapshot of all that a context counts, by queue, flow and reason; as text, JSON and metrics.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <pktverbs/counters/stats.hpp>
#include <pktverbs/export.hpp>
#include <pktverbs/flow.hpp>
#include <pktverbs/verbs/device.hpp>

namespace pktverbs {

/// Context::counters(). Plain numbers since the context was made; what was taken one after the other may be a batch
/// apart.
struct Counters {
    struct OfFlow {
        std::uint64_t id = 0;  ///< rises with each rule that is installed
        std::string rule;      ///< FlowRule::to_string()
        std::vector<std::size_t> queues;
        Flow::Count count;
    };
    /// One of the kernel's or the driver's own counters of drops and errors, by the name that they give it.
    struct OfInterface {
        std::string source;  ///< "kernel": rtnl_link_stats64 in linux/if_link.h; "driver": ethtool -S
        std::string name;
        std::uint64_t value = 0;
    };

    std::string device;
    std::vector<Stats> queues;           ///< by number; without drops, which are the device's
    verbs::DeviceDrops drops;            ///< frames that came, and no queue got
    std::vector<OfFlow> flows;           ///< rules with FlowRule::count()
    std::vector<OfInterface> interface;  ///< those that have risen; other programs' traffic counts in them

    /// All queues and the drops, as Context::stats().
    PKTVERBS_EXPORT Stats sum() const;
    /// A line for the sum, one for each queue, if there are several, for each flow, and one for the interface.
    PKTVERBS_EXPORT std::string to_string() const;
    /// {"device": ..., "queues": [{"recv_packets": ...}], "drops": {...}, "flows": [...], "interface": [...]}
    PKTVERBS_EXPORT std::string to_json() const;
};

/// {"recv_packets": 10, "recv_errors": {"LOC_LEN_ERR": 1}, "drops": {"out_of_buffer": 0, ...}, ...}: of errors only
/// those that there were, of all else everything.
PKTVERBS_EXPORT std::string to_json(const Stats& stats);

/// Text for a scraper, of any number of contexts: OpenMetrics 1.0, content type openmetrics_content_type. The second of
/// several contexts on one device has the label context="2" and so on: give them in the same order each time.
PKTVERBS_EXPORT std::string to_openmetrics(std::span<const Counters> contexts);
PKTVERBS_EXPORT std::string to_openmetrics(const Counters& context);

inline constexpr std::string_view openmetrics_content_type =
    "application/openmetrics-text; version=1.0.0; charset=utf-8";

}  // namespace pktverbs
