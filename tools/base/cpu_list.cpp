// SPDX-License-Identifier: Apache-2.0
#include "cpu_list.hpp"

#include <fmt/format.h>
#include <sched.h>

#include <algorithm>
#include <bitset>
#include <cerrno>
#include <charconv>
#include <string>
#include <system_error>

#include <pktverbs/memory/placement.hpp>

namespace tool {

namespace {

constexpr unsigned end_of_cpus = 8192;  // CONFIG_NR_CPUS at most, on x86: arch/x86/Kconfig

/// Why the list is refused: a processor on which this thread, and so those that it starts, may not run.
std::string reason_against(const CpuList& list) {
    std::bitset<end_of_cpus> allowed;
    // sched_setaffinity(2): EINVAL if the kernel's mask is longer, which this one is not.
    if (sched_getaffinity(0, sizeof allowed, reinterpret_cast<cpu_set_t*>(&allowed)) != 0)
        return std::generic_category().message(errno);
    for (const auto cpu : list.cpus())
        if (!allowed[cpu]) return fmt::format("processor {} is not one on which this program may run", cpu);
    return {};
}

}  // namespace

std::optional<CpuList> CpuList::parse(std::string_view text) {
    CpuList list;
    while (true) {
        const auto part = text.substr(0, text.find(','));
        const char* const end = part.data() + part.size();
        unsigned first = 0;
        auto read = std::from_chars(part.data(), end, first);
        unsigned last = first;
        if (read.ec == std::errc{} && read.ptr != end && *read.ptr == '-')
            read = std::from_chars(read.ptr + 1, end, last);
        if (read.ec != std::errc{} || read.ptr != end || last < first || last >= end_of_cpus) return {};
        for (unsigned cpu = first; cpu <= last; ++cpu) {
            if (std::ranges::find(list.cpus_, cpu) != list.cpus_.end()) return {};
            list.cpus_.push_back(cpu);
        }
        if (part.size() == text.size()) return list;
        text.remove_prefix(part.size() + 1);
    }
}

void CpuList::pin(std::size_t index) const {
    if (cpus_.empty()) return;
    pktverbs::pin_this_thread(cpus_[index % cpus_.size()]);
}

void add_cpus(example::CommandLine& app, CpuList& cpus, std::string_view which_threads) {
    auto take = [&cpus](const std::string& text) {
        if (const auto list = CpuList::parse(text)) {
            cpus = *list;
            return reason_against(*list);
        }
        return fmt::format("'{}' is not a list of processors, each once, such as 2 or 0,2-3", text);
    };
    app.add_text("--cpus", take, fmt::format("Processors of {}, in this order: 0,2-3", which_threads))
        .type_name("LIST");
}

}  // namespace tool
