// SPDX-License-Identifier: Apache-2.0
#include "nic_findings.hpp"

#include <fmt/format.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <optional>
#include <system_error>

#include "base/cpu_list.hpp"
#include "base/quantity.hpp"
#include "host/interface_facts.hpp"

namespace tool {

namespace {

namespace fs = std::filesystem;
using pktverbs::Severity;

Advice finding(std::string_view cause, const char* what, std::string value, Severity severity = Severity::ok,
               std::string why = {}, std::string command = {}) {
    return {
        .cause = cause, .finding = {what, std::move(value), severity, std::move(why)}, .command = std::move(command)};
}

void look_at_bus(std::vector<Advice>& all, const InterfaceFacts& facts) {
    if (!facts.pci_now) return;
    const auto carries = facts.pci_now->bits_per_second();
    const auto value = fmt::format("{} carries {}{}", facts.pci_now->to_string(), bits_per_second(carries),
                                   facts.speed ? ", the port " + bits_per_second(*facts.speed) : "");
    if (!facts.speed || carries >= *facts.speed) {
        all.push_back(finding("bus", "pcie", value));
        return;
    }
    const bool could_more = facts.pci_most && facts.pci_most->bits_per_second() > carries;
    auto pcie = finding(
        "bus", "pcie", value, Severity::warning,
        could_more
            ? fmt::format("the slot gives the card less than the {} that it can: use another slot, or see what the "
                          "firmware's setup says of this one",
                          facts.pci_most->to_string())
            : "the card cannot take its port's full rate from this slot: frames are lost in the NIC above that",
        is_plain_word(facts.pci) ? fmt::format("lspci -vv -s {} | grep Lnk", facts.pci) : "");
    pcie.only_looks = pcie.costs_packets = true;
    all.push_back(std::move(pcie));
}

/// The kernel's lists, "0-3,8".
std::vector<unsigned> cpus_in(const fs::path& file) {
    const auto list = CpuList::parse(first_line(file));
    return list ? list->cpus() : std::vector<unsigned>{};
}

std::string join(const std::vector<unsigned>& numbers) { return fmt::format("{}", fmt::join(numbers, ",")); }

void look_at_interrupts(std::vector<Advice>& all, const fs::path& root, const InterfaceFacts& facts) {
    if (facts.local_cpus.empty()) return;
    std::vector<unsigned> irqs, far;
    std::error_code error;
    for (const auto& entry : fs::directory_iterator{root / "sys/class/net" / facts.name / "device/msi_irqs", error}) {
        const auto number = whole_number(entry.path().filename().string());
        if (!number || *number < 0) continue;
        const auto irq = static_cast<unsigned>(*number);
        irqs.push_back(irq);
        const auto cpus = cpus_in(root / fmt::format("proc/irq/{}/smp_affinity_list", irq));
        const auto is_local = [&](unsigned cpu) {
            return std::ranges::find(facts.local_cpus, cpu) != facts.local_cpus.end();
        };
        if (!cpus.empty() && std::ranges::none_of(cpus, is_local)) far.push_back(irq);
    }
    if (irqs.empty()) return;
    std::ranges::sort(far);
    if (far.empty()) {
        all.push_back(finding("processors", "irqs", fmt::format("{}, near the NIC", irqs.size())));
        return;
    }
    all.push_back(finding("processors", "irqs",
                          fmt::format("{} of {} go to processors of another NUMA node", far.size(), irqs.size()),
                          Severity::warning, "what waits for completions is woken over the link between the nodes",
                          fmt::format("for irq in {}; do echo {} > /proc/irq/$irq/smp_affinity_list; done",
                                      fmt::join(far, " "), join(facts.local_cpus))));
}

void look_at_isolation(std::vector<Advice>& all, const fs::path& root, const InterfaceFacts& facts) {
    const auto isolated = cpus_in(root / "sys/devices/system/cpu/isolated");
    if (isolated.empty()) {
        all.push_back(
            finding("processors", "isolated_cpus", "none", Severity::ok,
                    "for threads that poll: isolcpus=LIST nohz_full=LIST on the kernel's command line keeps others "
                    "off their processors"));
        return;
    }
    const bool are_far = !facts.local_cpus.empty() && std::ranges::none_of(isolated, [&](unsigned cpu) {
        return std::ranges::find(facts.local_cpus, cpu) != facts.local_cpus.end();
    });
    all.push_back(finding(
        "processors", "isolated_cpus", join(isolated), are_far ? Severity::warning : Severity::ok,
        are_far ? fmt::format("none of them is near the NIC, whose processors are {}", join(facts.local_cpus)) : ""));
}

/// nullopt if the driver has none, or there is no such interface here.
std::optional<ethtool_pauseparam> pause_of(const std::string& interface) {
    ethtool_pauseparam pause{};
    pause.cmd = ETHTOOL_GPAUSEPARAM;
    ifreq request{};
    if (interface.size() >= sizeof request.ifr_name) return {};
    std::memcpy(request.ifr_name, interface.data(), interface.size());
    request.ifr_data = reinterpret_cast<char*>(&pause);
    const int fd = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return {};
    const bool has = ::ioctl(fd, SIOCETHTOOL, &request) == 0;
    ::close(fd);
    return has ? std::optional{pause} : std::nullopt;
}

void look_at_pause(std::vector<Advice>& all, const std::string& interface) {
    const auto pause = pause_of(interface);
    if (!pause) return;
    const auto* const value = pause->rx_pause != 0 ? (pause->tx_pause != 0 ? "both ways" : "received")
                                                   : (pause->tx_pause != 0 ? "sent" : "off");
    all.push_back(
        finding("link", "pause", value, Severity::ok,
                pause->tx_pause != 0
                    ? fmt::format("a receiver that falls behind stops the sender, and what it loses is lost in "
                                  "the switch: ethtool -A {} tx off to see losses here",
                                  interface)
                    : ""));
}

}  // namespace

std::vector<Advice> examine_nic(const fs::path& root, const std::string& interface) {
    std::vector<Advice> all;
    const auto facts = InterfaceFacts::read(root / "sys", interface);
    look_at_bus(all, facts);
    look_at_interrupts(all, root, facts);
    look_at_isolation(all, root, facts);
    if (root == "/") look_at_pause(all, interface);
    return all;
}

}  // namespace tool
