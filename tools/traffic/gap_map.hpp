// SPDX-License-Identifier: Apache-2.0
// GapMap: which sequence numbers went missing, and when.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace tool {

/// Gaps of one flow, in the order in which they were seen. It needs memory only for gaps, and for a million at most:
/// then it joins further ones to the last.
class GapMap {
public:
    struct Gap {
        std::uint64_t time_ns;  ///< when the packet behind it came
        std::uint64_t first, last;
        std::uint64_t missing;  ///< of these numbers
    };

    void add(std::uint64_t time_ns, std::uint64_t first, std::uint64_t count);
    /// A number that has come late. Far back ones are not searched for.
    void fill(std::uint64_t number) noexcept;

    const std::vector<Gap>& gaps() const noexcept { return gaps_; }

    /// A picture of the gaps of several flows: sequence numbers over time.
    static std::string to_svg(const std::vector<const GapMap*>& maps, std::uint64_t end_ns, std::uint64_t first,
                              std::uint64_t last);

private:
    std::vector<Gap> gaps_;
};

}  // namespace tool
