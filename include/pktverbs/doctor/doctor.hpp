// SPDX-License-Identifier: Apache-2.0
// check: what a device and this machine can do for a program, and what to do about what they can't.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <pktverbs/export.hpp>
#include <pktverbs/options.hpp>
#include <pktverbs/verbs/device.hpp>

namespace pktverbs {

enum class Severity : std::uint8_t {
    ok,       ///< as it should be, or nothing that the options need
    warning,  ///< works, but slower, or frames may get lost
    problem,  ///< a Context with these options won't open, or won't receive
};

/// "ok", "warning", "problem".
PKTVERBS_EXPORT std::string_view to_string(Severity severity) noexcept;

/// One thing that was looked at.
struct Finding {
    std::string what;  ///< a stable name: "link", "memlock", "flow_udp"; docs/doctor.md has them all
    std::string value;
    Severity severity = Severity::ok;
    std::string advice;  ///< what to do about it; may be there for something that is ok, and then is worth knowing
};

struct Report {
    std::string device;
    std::vector<Finding> findings;

    /// The worst there is; ok if there is nothing.
    PKTVERBS_EXPORT Severity severity() const noexcept;
    PKTVERBS_EXPORT std::size_t count(Severity severity) const noexcept;
    /// Null if it was not looked at.
    PKTVERBS_EXPORT const Finding* find(std::string_view what) const noexcept;
    /// A line for each finding, its advice below it, and a line with the sum.
    PKTVERBS_EXPORT std::string to_string() const;
    /// {"device": ..., "severity": ..., "findings": [{"what": ..., "value": ..., "severity": ..., "advice": ...}]}
    PKTVERBS_EXPORT std::string to_json() const;
};

/// Whether check() also tries things out.
enum class Probe : std::uint8_t {
    nothing,     ///< only looks; the device is opened, and closed again
    everything,  ///< makes a queue pair, registers as much memory as the options need and installs a flow of each kind
};

/// Looks at all that `wanted` needs of a device and of this machine. What is wrong is a finding and never thrown, a
/// device that is not there included. The thread that calls is the one whose NUMA node and capabilities are looked at.
///
/// Probing takes no frames from anybody: flows are for addresses that documents use (RFC 7042, 5737, 3849) and nobody
/// has, or get copies, or what nobody else wants. It switches an interface to promiscuous mode for a moment.
PKTVERBS_EXPORT Report check(std::string_view device, const Options& wanted = {}, Probe probe = Probe::everything);
PKTVERBS_EXPORT Report check(const Device& device, const Options& wanted = {}, Probe probe = Probe::everything);

}  // namespace pktverbs
