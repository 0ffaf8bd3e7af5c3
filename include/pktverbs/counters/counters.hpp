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

/// A snapshot of everything a Context counts: queues, drops, flows and interface, to show or to export.
///
/// Made by Context::counters(). Plain numbers, counted since the context was made. They are read one after the other,
/// so they may differ by a batch of packets.
struct Counters {
    /// The counters of an installed rule.
    struct OfFlow {
        std::uint64_t id = 0;             ///< rises with each rule that is installed
        std::string rule;                 ///< FlowRule::to_string()
        std::vector<std::size_t> queues;  ///< the queues that it steers to
        Flow::Count count;                ///< frames that it matched
    };
    /// A drop or error counter of the kernel or the driver, under the name that they give it.
    struct OfInterface {
        std::string source;       ///< "kernel": rtnl_link_stats64 in linux/if_link.h; "driver": ethtool -S
        std::string name;         ///< as its source names it
        std::uint64_t value = 0;  ///< counted since the context was made
    };

    std::string device;                  ///< the device's name
    std::vector<Stats> queues;           ///< by queue number; without drops, which belong to the device
    verbs::DeviceDrops drops;            ///< frames that arrived, but reached no queue
    std::vector<OfFlow> flows;           ///< rules with FlowRule::count()
    std::vector<OfInterface> interface;  ///< those that have risen; other programs' traffic counts, too

    /// Returns the sum of all queues, and the drops, as Context::stats() does.
    PKTVERBS_EXPORT Stats sum() const;
    /// Returns lines of text: the sum, then each queue if there are several, each flow, and the interface.
    PKTVERBS_EXPORT std::string to_string() const;
    /// Returns {"device": ..., "queues": [{"recv_packets": ...}], "drops": {...}, "flows": [...], "interface": [...]}
    PKTVERBS_EXPORT std::string to_json() const;
};

/// Returns {"recv_packets": 10, "recv_errors": {"LOC_LEN_ERR": 1}, "drops": {"out_of_buffer": 0, ...}, ...}, with all
/// counters, but only the errors that occurred.
PKTVERBS_EXPORT std::string to_json(const Stats& stats);

/// Returns the counters of any number of contexts in OpenMetrics 1.0, for a scraper; the content type is
/// openmetrics_content_type. Further contexts on one device are labelled context="2" and so on, so pass them in the
/// same order each time.
PKTVERBS_EXPORT std::string to_openmetrics(std::span<const Counters> contexts);
PKTVERBS_EXPORT std::string to_openmetrics(const Counters& context);

/// The content type of to_openmetrics(), for an HTTP response.
inline constexpr std::string_view openmetrics_content_type =
    "application/openmetrics-text; version=1.0.0; charset=utf-8";

}  // namespace pktverbs
