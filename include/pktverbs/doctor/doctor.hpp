// SPDX-License-Identifier: Apache-2.0
// The doctor: examines what a device and this machine can do for a program, and gives advice on what they can't.
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

/// How bad a finding is.
enum class Severity : std::uint8_t {
    ok,       ///< as it should be, or not needed by the options
    warning,  ///< works, but is slower or may lose frames
    problem,  ///< a Context with these options won't open or won't receive
};

/// Returns "ok", "warning" or "problem".
PKTVERBS_EXPORT std::string_view to_string(Severity severity) noexcept;

/// The result of one check, with advice.
struct Finding {
    std::string what;                  ///< a stable name: "link", "memlock", "flow_udp"; docs/doctor.md lists them
    std::string value;                 ///< what was found, in words
    Severity severity = Severity::ok;  ///< how bad it is
    std::string advice;                ///< what to do about it; an ok finding may have advice worth knowing
};

/// All findings on one device.
struct Report {
    std::string device;             ///< the device's name
    std::vector<Finding> findings;  ///< in the order of the checks

    /// Returns the worst severity; ok if there is no finding.
    PKTVERBS_EXPORT Severity severity() const noexcept;
    /// Returns the number of findings of this severity.
    PKTVERBS_EXPORT std::size_t count(Severity severity) const noexcept;
    /// Returns the finding of that name; null if it was not checked.
    PKTVERBS_EXPORT const Finding* find(std::string_view what) const noexcept;
    /// Returns a line for each finding, with its advice below it, and a summary line.
    PKTVERBS_EXPORT std::string to_string() const;
    /// Returns {"device": ..., "severity": ..., "findings": [{"what": ..., "value": ..., "severity": ..., "advice":
    /// ...}]}
    PKTVERBS_EXPORT std::string to_json() const;
};

/// Whether check() also tries things out.
enum class Probe : std::uint8_t {
    nothing,     ///< only looks; the device is opened and closed again
    everything,  ///< creates a queue pair, registers as much memory as the options need and installs a flow of each
                 ///< kind
};

/// Checks everything that `wanted` needs from a device and from this machine. Problems become findings and are never
/// thrown, even if there is no such device. Examines the NUMA node and capabilities of the calling thread.
///
/// Probing takes no frames away from other programs: its flows match addresses reserved for documentation (RFC 7042,
/// 5737, 3849), copy frames, or take what no other rule matches. It makes an interface promiscuous for a moment.
PKTVERBS_EXPORT Report check(std::string_view device, const Options& wanted = {}, Probe probe = Probe::everything);
PKTVERBS_EXPORT Report check(const Device& device, const Options& wanted = {}, Probe probe = Probe::everything);

}  // namespace pktverbs
