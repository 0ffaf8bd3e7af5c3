// SPDX-License-Identifier: Apache-2.0
// parse_cpu_list: reads the kernel's notation for sets of processors, "0-3,8".
#pragma once

#include <algorithm>
#include <charconv>
#include <string_view>
#include <vector>

namespace pktverbs {

/// In ascending order; stops at the first part that can't be parsed.
inline std::vector<unsigned> parse_cpu_list(std::string_view text) {
    constexpr unsigned most = 1U << 16;
    std::vector<unsigned> cpus;
    while (!text.empty()) {
        const std::string_view part = text.substr(0, text.find(','));
        text.remove_prefix(std::min(part.size() + 1, text.size()));
        const char* const end = part.data() + part.size();
        unsigned first = 0;
        auto read = std::from_chars(part.data(), end, first);
        unsigned last = first;
        if (read.ec == std::errc{} && read.ptr != end && *read.ptr == '-')
            read = std::from_chars(read.ptr + 1, end, last);
        if (read.ec != std::errc{} || read.ptr != end || last < first || last >= most) break;
        for (unsigned cpu = first; cpu <= last; ++cpu) cpus.push_back(cpu);
    }
    std::ranges::sort(cpus);
    cpus.erase(std::unique(cpus.begin(), cpus.end()), cpus.end());  // clang 14 has no ranges::unique
    return cpus;
}

}  // namespace pktverbs
