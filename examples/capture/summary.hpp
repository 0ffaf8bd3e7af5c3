// SPDX-License-Identifier: Apache-2.0
// Summary: the report at the end of a capture, in lines of "name: value" whose numbers add up.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include "counts.hpp"
#include "flow_sequences.hpp"

namespace capture {

struct Summary {
    Counts counts;
    std::chrono::nanoseconds time{};
    std::string where{};  ///< "on disk in FILE", "into FIFO"
    std::string how{};    ///< the file was written
    std::uint64_t file_bytes = 0;

    std::string format(const FlowSequences& sequences) const;
};

}  // namespace capture
