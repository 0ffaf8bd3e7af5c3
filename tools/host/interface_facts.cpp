// SPDX-License-Identifier: Apache-2.0
#include "interface_facts.hpp"

#include <fmt/format.h>
#include <net/if.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <fstream>
#include <system_error>

#include "base/cpu_list.hpp"

namespace tool {

namespace fs = std::filesystem;

namespace {

std::string target_name(const fs::path& link) {
    std::error_code error;
    return fs::read_symlink(link, error).filename().string();
}

std::vector<std::string> names_in(const fs::path& folder) {
    std::vector<std::string> names;
    std::error_code error;
    for (const auto& entry : fs::directory_iterator{folder, error}) names.push_back(entry.path().filename().string());
    std::ranges::sort(names);
    return names;
}

/// sysfs-bus-pci: "8.0 GT/s PCIe" and "4"; "Unknown" for devices without such a link.
std::optional<InterfaceFacts::PciLink> pci_link(const fs::path& device, const std::string& which) {
    const auto speed = first_line(device / (which + "_link_speed"));
    const auto lanes = whole_number(first_line(device / (which + "_link_width")));
    char* end = nullptr;
    const double transfers = std::strtod(speed.c_str(), &end);
    if (end == speed.c_str() || !(transfers > 0) || !lanes || *lanes < 1 || *lanes > 64) return {};
    return InterfaceFacts::PciLink{transfers, static_cast<unsigned>(*lanes)};
}

std::string state_of(const fs::path& folder) {
    // netdevice(7): the flags are hexadecimal.
    const auto flags = std::strtoul(first_line(folder / "flags").c_str(), nullptr, 16);
    if ((flags & IFF_UP) == 0) return "down";
    // RFC 2863; a virtual interface's is "unknown".
    const auto state = first_line(folder / "operstate");
    return state == "down" || state == "lowerlayerdown" ? "no carrier" : "up";
}

}  // namespace

std::string first_line(const fs::path& file) {
    std::ifstream in{file};
    std::string line;
    std::getline(in, line);
    const auto is_space = [](char c) { return c == ' ' || c == '\t' || c == '\r'; };
    while (!line.empty() && is_space(line.back())) line.pop_back();
    line.erase(0, std::min(line.find_first_not_of(" \t"), line.size()));
    return line;
}

std::optional<std::int64_t> whole_number(const std::string& text) {
    std::int64_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc{} || end != text.data() + text.size()) return {};
    return number;
}

double InterfaceFacts::PciLink::bits_per_second() const noexcept {
    // PCI Express Base Specification, 4.2: 8b/10b up to 5 GT/s, then 128b/130b.
    return 1e9 * speed * lanes * (speed <= 5 ? 0.8 : 128.0 / 130);
}

std::string InterfaceFacts::PciLink::to_string() const { return fmt::format("{:g} GT/s x{}", speed, lanes); }

InterfaceFacts InterfaceFacts::read(const fs::path& sysfs, const std::string& name) {
    const auto folder = sysfs / "class/net" / name;
    const auto device = folder / "device";
    InterfaceFacts facts;
    facts.name = name;
    facts.mac = first_line(folder / "address");
    facts.state = state_of(folder);
    facts.mtu = static_cast<std::uint32_t>(whole_number(first_line(folder / "mtu")).value_or(0));
    if (const auto mbps = whole_number(first_line(folder / "speed")); mbps && *mbps > 0)
        facts.speed = 1e6 * static_cast<double>(*mbps);
    facts.driver = target_name(device / "driver");
    if (target_name(device / "subsystem") == "pci") facts.pci = target_name(device);
    if (const auto node = whole_number(first_line(device / "numa_node")); node && *node >= 0)
        facts.numa_node = static_cast<unsigned>(*node);
    facts.pci_now = pci_link(device, "current");
    facts.pci_most = pci_link(device, "max");
    facts.verbs_devices = names_in(device / "infiniband");
    if (const auto cpus = CpuList::parse(first_line(device / "local_cpulist"))) facts.local_cpus = cpus->cpus();
    return facts;
}

std::vector<std::string> InterfaceFacts::list(const fs::path& sysfs) {
    const auto folder = sysfs / "class/net";
    std::error_code error;
    std::vector<std::string> names;
    for (const auto& entry : fs::directory_iterator{folder, error})
        // bonding_masters is a file.
        if (entry.is_directory(error)) names.push_back(entry.path().filename().string());
    if (error) throw std::system_error{error, fmt::format("cannot list {}", folder.string())};
    std::ranges::sort(names, {}, [](const std::string& each) { return std::pair{each == "lo", each}; });
    return names;
}

}  // namespace tool
