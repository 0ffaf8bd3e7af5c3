// SPDX-License-Identifier: Apache-2.0
// Checks the program's rights and limits, and the machine's memory and processors.
#include <fmt/core.h>

#include <linux/capability.h>
#include <sched.h>
#include <sys/resource.h>

#include <charconv>
#include <string>

#include <pktverbs/verbs/fork.hpp>

#include "base/capability_hints.hpp"
#include "doctor/inspection.hpp"
#include "interface/interface_sysfs.hpp"

namespace pktverbs::doctor {

namespace {

/// The effective capabilities of the calling thread (proc_pid_status(5)); nullopt if they can't be read.
std::optional<std::uint64_t> capabilities(const Files& files) {
    const std::string text = files.entry("proc/thread-self/status", "CapEff");
    std::uint64_t set = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), set, 16);
    if (error != std::errc{} || end == text.data()) return std::nullopt;
    return set;
}

bool has(std::optional<std::uint64_t> set, unsigned capability) { return set && (*set >> capability & 1) != 0; }

/// Both as the kernel reports them: probing, if it ran, has shown whether they are enough.
void look_at_memlock(Inspection& inspection, bool may_lock_all) {
    rlimit limit{};
    if (::getrlimit(RLIMIT_MEMLOCK, &limit) != 0) return;
    const std::size_t bytes = inspection.buffer_bytes();
    const bool endless = limit.rlim_cur == RLIM_INFINITY;
    const std::string value = fmt::format("{}, {} needed{}", endless ? "unlimited" : bytes_text(limit.rlim_cur),
                                          bytes_text(bytes), may_lock_all ? ", CAP_IPC_LOCK" : "");
    if (endless || may_lock_all || limit.rlim_cur >= bytes) return inspection.add("memlock", value);
    const std::string raise{locked_memory_hint};
    if (!inspection.registers_memory) return inspection.add("memlock", value, Severity::warning, raise);
    if (*inspection.registers_memory)
        return inspection.add("memlock", value, Severity::ok, "this device locks no memory; for others, raise it");
    inspection.add("memlock", value, Severity::problem, raise);
}

void look_at_page_size(Inspection& inspection, const char* what, unsigned kib, bool wanted) {
    const std::string folder = fmt::format("sys/kernel/mm/hugepages/hugepages-{}kB/", kib);
    const auto total = inspection.files.number(folder + "nr_hugepages");
    const auto free = inspection.files.number(folder + "free_hugepages");
    const auto more = inspection.files.number(folder + "nr_overcommit_hugepages");
    if (!total || !free)
        return inspection.add(what, "none of this size here", wanted ? Severity::problem : Severity::ok,
                              wanted ? "ask for another page size" : "");
    const std::size_t page = std::size_t{kib} * 1024;
    const auto needed = static_cast<std::int64_t>((inspection.buffer_bytes() + page - 1) / page);
    const bool lacks = wanted && *free + more.value_or(0) < needed;
    inspection.add(what,
                   fmt::format("{} free of {}{}", *free, *total, wanted ? fmt::format(", {} needed", needed) : ""),
                   lacks ? Severity::problem : Severity::ok,
                   lacks ? fmt::format("echo {} > /{}nr_hugepages, soon after the machine has started",
                                       *total + needed - *free, folder)
                         : "");
}

}  // namespace

void look_at_process(Inspection& inspection) {
    const auto set = capabilities(inspection.files);
    const bool raw = has(set, CAP_NET_RAW);
    // A device that made a queue pair without the capability does not need it.
    const bool does_without = inspection.makes_raw_packets == true;
    const Severity lack = inspection.probe == Probe::nothing ? Severity::warning : Severity::problem;
    inspection.add("cap_net_raw",
                   raw   ? "yes"
                   : set ? "no"
                         : "not known",
                   raw || does_without ? Severity::ok : lack,
                   raw            ? std::string{}
                   : does_without ? std::string{"this device needs none; packet: devices and hardware do"}
                                  : std::string{net_raw_hint});
    const bool admin = has(set, CAP_NET_ADMIN);
    inspection.add("cap_net_admin",
                   admin ? "yes"
                   : set ? "no"
                         : "not known",
                   Severity::ok,
                   admin ? "" : "without it, net.core.wmem_max limits what packet: devices have under way");
    look_at_memlock(inspection, has(set, CAP_IPC_LOCK));

    const bool forks_safely = verbs::fork_is_safe();
    inspection.add("fork", forks_safely ? "safe" : "not prepared for", Severity::ok,
                   forks_safely ? "" : "if the program forks: verbs::prepare_fork(), first of all");

    rlimit files{};
    constexpr rlim_t few = 256;
    if (::getrlimit(RLIMIT_NOFILE, &files) == 0)
        inspection.add("open_files", files.rlim_cur == RLIM_INFINITY ? "unlimited" : std::to_string(files.rlim_cur),
                       files.rlim_cur < few ? Severity::warning : Severity::ok,
                       files.rlim_cur < few ? "each queue has four descriptors or so: raise ulimit -n" : "");
}

void look_at_memory(Inspection& inspection) {
    look_at_page_size(inspection, "huge_pages_2m", 2048, inspection.wanted.pages == PageSize::huge_2m);
    look_at_page_size(inspection, "huge_pages_1g", 1048576, inspection.wanted.pages == PageSize::huge_1g);
    const auto& files = inspection.files;
    // The limits that packet: devices use up: for their filter's instructions, and for frames waiting to be sent. Their
    // ring is not limited by these.
    if (const auto most = files.number("proc/sys/net/core/optmem_max")) {
        constexpr std::int64_t default_of_old = 20480;
        inspection.add("optmem_max", bytes_text(static_cast<std::uint64_t>(*most)), Severity::ok,
                       *most <= default_of_old
                           ? "hundreds of flows on a packet: device need more: sysctl -w net.core.optmem_max=131072"
                           : "");
    }
    if (const auto most = files.number("proc/sys/net/core/rmem_max"))
        inspection.add("rmem_max", bytes_text(static_cast<std::uint64_t>(*most)));
    if (const auto most = files.number("proc/sys/net/core/wmem_max"))
        inspection.add("wmem_max", bytes_text(static_cast<std::uint64_t>(*most)));
    if (const auto most = files.number("proc/sys/net/ipv4/igmp_max_memberships"))
        inspection.add(
            "igmp_max_memberships", fmt::format("{} for each socket", *most), Severity::ok,
            *most == 0 ? "no multicast group can be joined: sysctl -w net.ipv4.igmp_max_memberships=20" : "");
}

void look_at_processors(Inspection& inspection, const Device& device) {
    const auto& files = inspection.files;
    unsigned processor = 0;
    unsigned node = 0;
    if (device.netdev && ::getcpu(&processor, &node) == 0) {
        const auto of_device = numa_node_of(*device.netdev, files.root / "sys");
        const bool far = of_device && *of_device != node;
        inspection.add("numa_node",
                       of_device ? fmt::format("{}, this thread runs on {}", *of_device, node)
                                 : fmt::format("the device has none, this thread runs on {}", node),
                       far ? Severity::warning : Severity::ok,
                       far ? fmt::format("numactl --cpunodebind={0}, and local_numa_node = true", *of_device) : "");
    }
    const std::string governor =
        files.line(fmt::format("sys/devices/system/cpu/cpu{}/cpufreq/scaling_governor", processor));
    if (governor.empty()) return;
    const bool slow = governor == "powersave" || governor == "ondemand" || governor == "conservative";
    inspection.add("cpu_governor", governor, slow ? Severity::warning : Severity::ok,
                   slow ? "cpupower frequency-set -g performance" : "");
}

}  // namespace pktverbs::doctor
