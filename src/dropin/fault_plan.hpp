// SPDX-License-Identifier: Apache-2.0
// FaultPlan: which frames and which calls fail, parsed from text.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <string_view>
#include <vector>

#include "soft/link/frame_faults.hpp"

namespace pktverbs::dropin {

/// Some calls of one verb fail with one errno. Calls are counted from 1.
struct VerbFault {
    static constexpr std::uint64_t every_later = std::numeric_limits<std::uint64_t>::max();

    std::size_t verb;  ///< its number in verb_names
    int error;
    std::uint64_t first = 1;
    std::uint64_t last = every_later;
};

/// A value; without text it has no faults.
class FaultPlan {
public:
    FaultPlan() = default;
    /// The text of PKTVERBS_FAULTS; see docs/dropin.md. Throws std::system_error (EINVAL), which says what is wrong and
    /// what is allowed.
    static FaultPlan parse(std::string_view text);

    /// nullopt if frames have no faults.
    const std::optional<soft::LinkFaults>& link() const noexcept { return link_; }
    /// No call has two faults.
    const std::vector<VerbFault>& verbs() const noexcept { return verbs_; }
    bool names(std::size_t verb) const noexcept;
    /// The errno with which the nth call of a verb fails; 0 if it does not fail.
    int error_of(std::size_t verb, std::uint64_t nth) const noexcept;

private:
    std::optional<soft::LinkFaults> link_;
    std::vector<VerbFault> verbs_;
};

}  // namespace pktverbs::dropin
