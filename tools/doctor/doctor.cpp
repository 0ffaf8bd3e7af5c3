// SPDX-License-Identifier: Apache-2.0
// doctor: what a device and this machine lack for a program, by cause, with a command against each.
#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <string>
#include <system_error>
#include <vector>

#include <pktverbs/device.hpp>
#include <pktverbs/doctor/doctor.hpp>
#include "base/command.hpp"
#include "base/output.hpp"
#include "common/quantity_option.hpp"
#include "doctor/advice.hpp"
#include "doctor/nic_findings.hpp"

namespace tool {

namespace {

using pktverbs::Severity;

struct Arguments {
    std::string device, root = "/";
    pktverbs::Options options;
    bool huge_pages = false, no_probe = false, fix = false, all = false;
    OutputOptions output;
};

std::size_t count_of(const std::vector<Advice>& advices, Severity severity) {
    return static_cast<std::size_t>(
        std::ranges::count(advices, severity, [](const Advice& advice) { return advice.finding.severity; }));
}

std::string counted(std::size_t number, const char* what) {
    return fmt::format("{} {}{}", number, what, number == 1 ? "" : "s");
}

/// In lines of no more than 78 characters, each behind `begin`.
std::string paragraph(const std::string& text, const std::string& begin) {
    std::string all, line = begin;
    for (std::size_t at = 0; at < text.size();) {
        const auto end = std::min(text.find(' ', at), text.size());
        if (line.size() > begin.size() && line.size() + 1 + end - at > 78) {
            all += line + '\n';
            line = begin;
        }
        if (line.size() > begin.size()) line += ' ';
        line += text.substr(at, end - at);
        at = end + 1;
    }
    return all + line + '\n';
}

void print_for_people(const std::string& device, const std::vector<Advice>& advices, bool all) {
    fmt::print("{}: {}, {}, {} as it should be\n", device, counted(count_of(advices, Severity::problem), "problem"),
               counted(count_of(advices, Severity::warning), "warning"), count_of(advices, Severity::ok));
    for (const auto cause : causes()) {
        bool has_title = false;
        for (const auto& advice : advices) {
            const auto& finding = advice.finding;
            if (advice.cause != cause || (finding.severity == Severity::ok && !all)) continue;
            if (!has_title) fmt::print("\n{}\n", cause);
            has_title = true;
            fmt::print(
                "{}",
                paragraph(fmt::format("{:<7} {}: {}", to_string(finding.severity), finding.what, finding.value), "  "));
            // A command says it shorter.
            if (!finding.advice.empty() && finding.advice != advice.command)
                fmt::print("{}", paragraph(finding.advice, "          "));
            if (!advice.command.empty()) fmt::print("          $ {}\n", advice.command);
        }
    }
}

void print_json(const std::string& device, const std::vector<Advice>& advices) {
    std::vector<Record> findings;
    for (const auto& advice : advices) {
        const auto& finding = advice.finding;
        findings.push_back(Record{}
                               .set("what", finding.what)
                               .set("cause", advice.cause)
                               .set("severity", to_string(finding.severity))
                               .set("value", finding.value)
                               .set("advice", finding.advice)
                               .set("command", advice.command));
    }
    fmt::print("{}\n", Record{}
                           .set("device", device)
                           .set("problems", count_of(advices, Severity::problem))
                           .set("warnings", count_of(advices, Severity::warning))
                           .set("findings", std::move(findings))
                           .to_json());
}

/// Text that may hold anything, as a comment of a script.
std::string comment(const std::string& text) {
    std::string line = text;
    std::ranges::replace(line, '\n', ' ');
    return paragraph(line, "# ");
}

void print_script(const std::string& device, const std::vector<Advice>& advices) {
    fmt::print("#!/bin/sh\n{}set -ux\n",
               comment(fmt::format(
                   "What pktverbs doctor advises for {}. Read it before you run it, as root. A command that fails "
                   "ends nothing: the others run all the same.",
                   device)));
    for (const auto& advice : advices) {
        const auto& finding = advice.finding;
        if (finding.severity == Severity::ok) continue;
        fmt::print("\n{}", comment(fmt::format("{}: {}", finding.what, finding.value)));
        if (!finding.advice.empty() && finding.advice != advice.command) fmt::print("{}", comment(finding.advice));
        if (advice.is_runnable())
            fmt::print("{}\n", advice.command);
        else if (!advice.command.empty())
            fmt::print("# {}\n", advice.command);
    }
}

int examine(const Arguments& args) {
    auto options = args.options;
    if (args.huge_pages) options.pages = pktverbs::PageSize::huge_2m;
    const auto report =
        pktverbs::check(args.device, options, args.no_probe ? pktverbs::Probe::nothing : pktverbs::Probe::everything);
    std::string interface = args.device.substr(args.device.find(':') + 1);
    interface = interface.substr(0, interface.find('?'));
    try {
        if (args.root == "/") interface = pktverbs::find_device(args.device).interface;
    } catch (const std::system_error&) {
        interface.clear();  // which is one of the findings
    }
    std::vector<Advice> advices;
    for (const auto& finding : report.findings) advices.push_back(advise(finding, interface));
    if (!interface.empty())
        for (auto& advice : examine_nic(args.root, interface)) advices.push_back(std::move(advice));
    if (args.output.json)
        print_json(report.device, advices);
    else if (args.fix)
        print_script(report.device, advices);
    else
        print_for_people(report.device, advices, args.all);
    const bool costs_packets = std::ranges::any_of(advices, &Advice::costs_packets);
    return count_of(advices, Severity::problem) > 0 || costs_packets ? fell_short : done;
}

}  // namespace

int doctor(int argc, char** argv) {
    example::CommandLine app{
        "Examines everything that a program needs of a device and of this machine, and says for each thing that is "
        "missing what to do about it.",
        argv[0]};
    app.footer(
        "pktverbs doctor eth0\n"
        "pktverbs doctor packet:eth0 --recv 16384 --size 1600 --json\n"
        "pktverbs doctor eth0 --fix > fix.sh\n\n"
        "Probing flows takes no frames from other programs, but switches an interface to promiscuous mode for a "
        "moment; "
        "--no-probe only reads.\n"
        "Exit status: 0 no problem; 1 it failed; 2 wrong arguments; 3 a program with these options would not open the "
        "device, or not receive, or would lose packets at the port's rate.");
    Arguments args;
    app.add_option("DEVICE", args.device, "eth0, packet:eth0, ibv:mlx5_0/1, pipe:NAME").required();
    app.add_option("--recv", args.options.recv_packets, "Packets to receive into, for each queue").default_shown();
    app.add_option("--send", args.options.send_packets, "Packets to send with, for each queue").default_shown();
    example::add_size(app, "--size", args.options.max_packet_size, 14, (1 << 24) - 1,
                      fmt::format("Longest frame (default {})", pktverbs::format_size(args.options.max_packet_size)));
    app.add_option("-q,--queues", args.options.queues, "Queues").between(1, 1024).default_shown();
    app.add_flag("--huge-pages", args.huge_pages, "Buffers in huge pages of 2 MiB");
    app.add_flag("--no-probe", args.no_probe, "Probe nothing");
    app.add_flag("--all", args.all, "Also what is as it should be");
    auto fix = app.add_flag("--fix", args.fix, "Print a shell script of the commands; runs nothing");
    app.add_flag("--json", args.output.json, "Print JSON, one object").excludes(fix);
    app.add_option("--root", args.root, "Read this folder's sys and proc instead of /").type_name("DIR");
    return app.run(argc, argv, [&] { return examine(args); });
}

}  // namespace tool
