// SPDX-License-Identifier: Apache-2.0
// Table: programs and rings at one time, with the rates since the time before.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/record.hpp"
#include "top/published.hpp"

namespace tool {

class Table {
public:
    /// Looks at everything again.
    void update();

    std::size_t programs() const noexcept { return programs_.size(); }
    std::size_t rings() const noexcept { return rings_.size(); }
    /// Lines of `width` columns at most.
    std::vector<std::string> lines(std::size_t width) const;
    Record record() const;

private:
    struct Program {
        Published now;
        std::optional<double> packets_per_second, bits_per_second;  ///< between its last two publications
    };
    struct Ring {
        std::string name;
        std::uint64_t bytes;
        std::uint32_t blocks, filled;
        std::string producer, consumer;
    };
    void update_programs();
    void update_rings();

    std::map<std::pair<int, unsigned long long>, Program> programs_;
    std::vector<Ring> rings_;
};

}  // namespace tool
