// SPDX-License-Identifier: Apache-2.0
#include <pktverbs/memory/placement.hpp>

#include <fmt/core.h>
#include <sched.h>

#include <algorithm>
#include <cerrno>
#include <fstream>
#include <memory>
#include <string>

#include <pktverbs/verbs/error.hpp>

#include "base/cpu_list.hpp"
#include "interface/interface.hpp"
#include "interface/interface_sysfs.hpp"

namespace pktverbs {

namespace {

constexpr unsigned max_cpus = 1U << 16;

struct FreeSet {
    void operator()(cpu_set_t* set) const noexcept { CPU_FREE(set); }
};
using Set = std::unique_ptr<cpu_set_t, FreeSet>;

/// The kernel refuses sets shorter than its own (sched_getaffinity(2)): this one is long enough for any machine.
const std::size_t set_bytes = CPU_ALLOC_SIZE(max_cpus);

Set make_set() {
    Set set{CPU_ALLOC(max_cpus)};
    if (!set) throw std::bad_alloc{};
    CPU_ZERO_S(set_bytes, set.get());
    return set;
}

}  // namespace

std::optional<unsigned> numa_node(const Device& device) {
    const auto interface = device.netdev ? device.netdev : Interface::find(device.interface);
    return interface ? numa_node_of(*interface) : std::nullopt;
}

std::vector<unsigned> local_cpus(const Device& device) {
    const Set allowed = make_set();
    if (::sched_getaffinity(0, set_bytes, allowed.get()) != 0)
        verbs::throw_error(errno, "find out which processors this thread may run on", {});
    std::vector<unsigned> cpus;
    for (unsigned cpu = 0; cpu < max_cpus; ++cpu)
        if (CPU_ISSET_S(cpu, set_bytes, allowed.get())) cpus.push_back(cpu);
    const auto node = numa_node(device);
    if (!node) return cpus;
    std::string text;
    std::ifstream{fmt::format("/sys/devices/system/node/node{}/cpulist", *node)} >> text;
    const std::vector<unsigned> near = parse_cpu_list(text);
    std::vector<unsigned> both;
    std::ranges::set_intersection(cpus, near, std::back_inserter(both));
    return both.empty() ? cpus : both;
}

void pin_this_thread(unsigned cpu) {
    const Set set = make_set();
    if (cpu < max_cpus) CPU_SET_S(cpu, set_bytes, set.get());
    if (::sched_setaffinity(0, set_bytes, set.get()) != 0)
        verbs::throw_error(errno, fmt::format("keep this thread on processor {}", cpu),
                           errno == EINVAL ? "there is no such processor, or this process may not run there" : "");
}

}  // namespace pktverbs
