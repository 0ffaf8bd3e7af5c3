// SPDX-License-Identifier: Apache-2.0
// doctor: reports what a device and this machine lack for a program, and what to do about it.
#include <fmt/core.h>

#include <string>

#include <pktverbs/doctor/doctor.hpp>
#include "common/command_line.hpp"
#include "common/quantity_option.hpp"

int main(int argc, char** argv) {
    example::CommandLine app{"Checks everything that a pktverbs program needs of a device and of this machine.",
                             "doctor"};
    app.footer(
        "doctor eth0\ndoctor packet:eth0 --recv 16384 --size 1600 --json\n\n"
        "Exit status 1 if there is a problem. Probing flows takes no frames from other programs, but switches\n"
        "an interface to promiscuous mode for a moment; --no-probe only reads.");
    std::string device;
    pktverbs::Options options;
    bool json = false;
    bool no_probe = false;
    app.add_option("DEVICE", device, "eth0, packet:eth0, ibv:mlx5_0/1, wire:NAME (inside this process)").required();
    app.add_option("--recv", options.recv_packets, "Packets to receive into, for each queue").default_shown();
    app.add_option("--send", options.send_packets, "Packets to send with, for each queue").default_shown();
    example::add_size(app, "--size", options.max_packet_size, 14, (1 << 24) - 1,
                      fmt::format("Longest frame (default {})", pktverbs::format_size(options.max_packet_size)));
    app.add_option("--queues", options.queues, "Queues").between(1, 1024).default_shown();
    bool huge_pages = false;
    app.add_flag("--huge-pages", huge_pages, "Buffers in huge pages of 2 MiB");
    app.add_flag("--json", json, "As JSON");
    app.add_flag("--no-probe", no_probe, "Probe nothing");
    return app.run(argc, argv, [&] {
        if (huge_pages) options.pages = pktverbs::PageSize::huge_2m;
        const auto probe = no_probe ? pktverbs::Probe::nothing : pktverbs::Probe::everything;
        const pktverbs::Report report = pktverbs::check(device, options, probe);
        fmt::print("{}\n", json ? report.to_json() : report.to_string());
        return report.severity() == pktverbs::Severity::problem ? 1 : 0;
    });
}
