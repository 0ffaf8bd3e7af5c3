// SPDX-License-Identifier: Apache-2.0
#include "advice.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace tool {

namespace {

std::string_view cause_of(std::string_view what) {
    if (what.starts_with("flow_") || what == "rss" || what == "raw_packets") return "steering";
    if (what.starts_with("cap_")) return "privileges";
    if (what.starts_with("huge_pages") || what.ends_with("mem_max") || what == "memory" || what == "memlock")
        return "memory";
    if (what == "gro" || what == "lro" || what == "gso" || what == "rx_ring" || what == "igmp_max_memberships")
        return "kernel";
    if (what == "link" || what == "link_layer" || what == "mtu" || what == "speed" || what == "interface" ||
        what == "pause")
        return "link";
    if (what == "numa_node" || what == "cpu_governor" || what == "irqs" || what == "isolated_cpus") return "processors";
    return what == "pcie" ? "bus" : "device";
}

/// The command in a text that says what to do.
std::string command_in(std::string_view advice) {
    constexpr std::array<std::string_view, 7> programs{"ethtool -", "ip link ",   "sysctl -w ", "echo ",
                                                       "cpupower ", "numactl --", "mlxconfig "};
    std::size_t begin = std::string_view::npos;
    for (const auto program : programs) begin = std::min(begin, advice.find(program));
    if (begin == std::string_view::npos) return {};
    advice.remove_prefix(begin);
    return std::string{advice.substr(0, std::min(advice.find(", "), advice.find("; ")))};
}

}  // namespace

const std::vector<std::string_view>& causes() {
    static const std::vector<std::string_view> all{"device",   "privileges", "link",   "bus",
                                                   "steering", "kernel",     "memory", "processors"};
    return all;
}

Advice advise(const pktverbs::Finding& finding, const std::string& interface) {
    Advice advice{.cause = cause_of(finding.what), .finding = finding, .command = {}};
    if (finding.severity == pktverbs::Severity::ok) return advice;
    if (finding.what == "cap_net_raw" ||
        (finding.what == "device" && finding.advice.empty() && finding.value.find("CAP_NET_RAW") != std::string::npos))
        advice.command = "sudo pktverbs run --net-raw --user \"$USER\" -- PROGRAM";
    else if (finding.what == "memlock")
        advice.command = "sudo prlimit --memlock=unlimited -- PROGRAM";
    else if (is_plain_word(interface) || finding.advice.find(interface) == std::string::npos)
        advice.command = command_in(finding.advice);
    if (advice.command.starts_with("numactl")) advice.command += " -- PROGRAM";
    return advice;
}

bool is_plain_word(std::string_view name) {
    return !name.empty() && name.front() != '-' && std::ranges::all_of(name, [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '.' ||
               c == '-' || c == '@' || c == ':';
    });
}

}  // namespace tool
