// SPDX-License-Identifier: Apache-2.0
// Sizes: the lengths of the frames to send, in turn.
#pragma once

#include <cstddef>
#include <string_view>
#include <vector>

namespace tool {

/// Lengths of whole frames, from the Ethernet header on and without FCS, in the order in which they are sent.
///
/// A value.
struct Sizes {
    static constexpr std::size_t max_steps = 4096;

    std::vector<std::size_t> frames;  ///< empty: none was chosen
    bool may_grow = false;            ///< a mix by name: frames too short for their headers are made longer

    /// "1500", "64,1500", "64x7,590x4,1514" (seven of the first to four and one of the others, well mixed), or "imix".
    /// Throws std::invalid_argument that says what was wrong.
    static Sizes parse(std::string_view text);
};

}  // namespace tool
