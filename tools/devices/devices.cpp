// SPDX-License-Identifier: Apache-2.0
// devices: every interface and verbs device, what it is and what it can, and which device strings this build knows.
#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include <pktverbs/context.hpp>
#include <pktverbs/device.hpp>
#include <pktverbs/doctor/doctor.hpp>
#include "base/command.hpp"
#include "base/output.hpp"
#include "base/quantity.hpp"
#include "host/interface_facts.hpp"

namespace tool {

namespace {

namespace fs = std::filesystem;

/// What was found out by opening a device.
struct Abilities {
    std::string error;        ///< why it could not be opened; empty if it was
    std::string raw_packets;  ///< "yes", or why not
    std::vector<std::pair<const char*, std::string>> others;

    /// "raw packets, RSS, timestamps, ..."
    std::string to_string() const {
        if (!error.empty()) return error;
        std::string text = raw_packets == "yes" ? "raw packets" : "no raw packets: " + raw_packets;
        for (const auto& [name, value] : others) text += fmt::format("; {} {}", name, value);
        return text;
    }
};

std::string value_of(const pktverbs::Report& report, const char* what) {
    const auto* const finding = report.find(what);
    return finding == nullptr ? "unknown" : finding->value;
}

Abilities abilities_of(const pktverbs::Device& device) {
    Abilities abilities;
    const pktverbs::Options least{
        .send_packets = 1, .recv_packets = pktverbs::none, .max_packet_size = 64, .require_link = false};
    const auto report = pktverbs::check(device, least, pktverbs::Probe::nothing);
    if (const auto* const found = report.find("device");
        found != nullptr && found->severity == pktverbs::Severity::problem) {
        abilities.error = found->value;
        return abilities;
    }
    try {
        // Only trying shows it: no attribute of a device does.
        const pktverbs::Context ctx{device, least};
        abilities.raw_packets = "yes";
    } catch (const std::system_error& error) {
        abilities.raw_packets = error.what();
    }
    for (const auto& [name, what] :
         {std::pair{"RSS", "rss"}, std::pair{"timestamps", "timestamps"}, std::pair{"checksums", "checksum"},
          std::pair{"segmentation", "tso"}, std::pair{"pacing", "pacing"}})
        abilities.others.emplace_back(name, value_of(report, what));
    return abilities;
}

/// A text in lines that fit the terminal, each behind `indent` spaces but the first.
std::string wrapped(const std::string& text, std::size_t indent) {
    std::string all, line;
    std::string_view rest = text;
    while (!rest.empty()) {
        const auto word = rest.substr(0, rest.find(' '));
        rest.remove_prefix(std::min(word.size() + 1, rest.size()));
        if (!line.empty() && indent + line.size() + 1 + word.size() > std::max<std::size_t>(columns(), 40)) {
            all += line + '\n' + std::string(indent, ' ');
            line.clear();
        }
        if (!line.empty()) line += ' ';
        line += word;
    }
    return all + line;
}

std::string describe(const InterfaceFacts& facts) {
    std::string text = facts.state;
    if (facts.speed) text += ", " + bits_per_second(*facts.speed);
    if (facts.mtu != 0) text += fmt::format(", MTU {}", facts.mtu);
    if (!facts.driver.empty()) text += ", " + facts.driver;
    if (!facts.pci.empty()) text += " at " + facts.pci;
    if (facts.pci_now) text += fmt::format(" ({})", facts.pci_now->to_string());
    if (facts.numa_node) text += fmt::format(", NUMA node {}", *facts.numa_node);
    if (!facts.mac.empty()) text += ", " + facts.mac;
    return text;
}

constexpr std::size_t indent = 17;

void print_row(std::string_view name, const std::string& text) {
    fmt::print("  {:<{}}{}\n", name, indent - 2, wrapped(text, indent));
}

void print(const std::string& name, const std::string& description, const pktverbs::Device* device,
           const Abilities& abilities, bool json, const InterfaceFacts& facts) {
    if (json) {
        Record record;
        record.set("name", name).set("state", facts.state).set("mac", facts.mac).set("mtu", facts.mtu);
        record.set("driver", facts.driver).set("pci", facts.pci);
        if (facts.speed) record.set("speed_bps", *facts.speed);
        if (facts.numa_node) record.set("numa_node", *facts.numa_node);
        if (facts.pci_now) record.set("pci_link", facts.pci_now->to_string());
        record.set("device", device == nullptr ? "" : device->name);
        if (!abilities.error.empty()) record.set("error", abilities.error);
        record.set("raw_packets", abilities.raw_packets == "yes");
        for (const auto& [what, value] : abilities.others) {
            std::string key = what;
            std::ranges::transform(key, key.begin(),
                                   [](char c) { return static_cast<char>(c >= 'A' && c <= 'Z' ? c + 32 : c); });
            record.set(key, value);
        }
        fmt::print("{}\n", record.to_json());
        return;
    }
    fmt::print("{}\n", name);
    print_row("state", description);
    if (device != nullptr) print_row("opens as", device->name);
    print_row("can", abilities.to_string());
}

int list(const fs::path& sysfs, bool json) {
    std::vector<std::string> shown;
    for (const auto& name : InterfaceFacts::list(sysfs)) {
        const auto facts = InterfaceFacts::read(sysfs, name);
        try {
            const auto device = pktverbs::find_device(name);
            shown.push_back(device.name);
            print(name, describe(facts), &device, abilities_of(device), json, facts);
        } catch (const std::system_error& error) {
            print(name, describe(facts), nullptr, {.error = error.what(), .raw_packets = {}, .others = {}}, json,
                  facts);
        }
    }
    // Those without an interface here, such as InfiniBand ports.
    for (const auto& device : pktverbs::verbs::list_hardware_devices())
        if (std::ranges::find(shown, device.name) == shown.end()) {
            InterfaceFacts facts;
            facts.mtu = device.mtu;
            print("ibv:" + device.name, "a verbs device without a network interface here", &device,
                  abilities_of(device), json, facts);
        }
    if (json) return done;
    fmt::print("\nDevice strings of this build (docs/devices.md):\n");
    for (const auto& kind : pktverbs::list_device_kinds()) {
        const auto form =
            kind.form.substr(0, kind.form.find('?') == std::string::npos ? kind.form.size() : kind.form.find('?') - 1);
        if (form.size() < indent - 2)
            print_row(form, kind.purpose);
        else
            fmt::print("  {}\n{:{}}{}\n", form, "", indent, wrapped(kind.purpose, indent));
    }
    return done;
}

}  // namespace

int devices(int argc, char** argv) {
    example::CommandLine app{
        "Lists every network interface and verbs device, also those that are down, what it can do, and the device "
        "strings that this build knows.",
        argv[0]};
    app.footer(
        "pktverbs devices\n"
        "pktverbs devices --json | jq 'select(.raw_packets) | .device'\n\n"
        "What a device can is found out by opening it, for which soft devices on interfaces need CAP_NET_RAW.\n"
        "Exit status: 0; 1 it failed; 2 wrong arguments.");
    OutputOptions output;
    std::string sysfs = "/sys";
    add_json(app, output);
    app.add_option("--sysfs", sysfs, "Read this folder instead of /sys").type_name("DIR");
    return app.run(argc, argv, [&] { return list(sysfs, output.json); });
}

}  // namespace tool
