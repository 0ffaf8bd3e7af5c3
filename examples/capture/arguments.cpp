// SPDX-License-Identifier: Apache-2.0
#include "arguments.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <string>
#include <utility>

#include "common/command_line.hpp"
#include "common/quantity_option.hpp"
#include "sequence_option.hpp"

using namespace std::chrono_literals;

namespace capture {

namespace {

void add_flows(example::CommandLine& app, std::vector<CapturedFlow>& flows) {
    auto take = [&flows](const std::string& text) {
        const auto flow = UdpFlow::parse(text);
        if (!flow) return fmt::format("'{}' is not ADDRESS:PORT or any:PORT", text);
        if (std::ranges::find(flows, flow->to_string(), &CapturedFlow::text) != flows.end())
            return fmt::format("{} is there twice", text);
        flows.emplace_back(*flow);
        return std::string{};
    };
    app.add_texts("--flow", take, "UDP packets to this IPv4 address, or any, and port; joins a group; may be repeated")
        .type_name("ADDRESS:PORT")
        .required();
}

void add_sequence(example::CommandLine& app, std::optional<pktverbs::SequenceField>& sequence) {
    auto take = [&sequence](const std::string& text) {
        sequence = parse_sequence(text);
        if (!sequence) return fmt::format("'{}' is not OFFSET:WIDTH[:big|little] with 1 to 8 bytes", text);
        return std::string{};
    };
    app.add_text("--sequence", take, "Sequence number in the UDP payload, in bytes (pktgen's: 0:8)")
        .type_name("OFFSET:WIDTH[:big|little]");
}

template <class Choice>
void add_choice(example::CommandLine& app, const char* name, Choice& value, std::map<std::string, Choice> names,
                const char* help) {
    std::string list;
    for (const auto& [word, choice] : names) list += (list.empty() ? "" : "|") + word;
    auto take = [&value, names = std::move(names), list](const std::string& text) {
        const auto found = names.find(text);
        if (found == names.end()) return fmt::format("'{}' is none of {}", text, list);
        value = found->second;
        return std::string{};
    };
    app.add_text(name, take, help).type_name(list);
}

}  // namespace

void add_options(example::CommandLine& app, Arguments& args) {
    app.add_option("DEVICE", args.device, "eth0, packet:eth0, ibv:mlx5_0/1, pipe:NAME, wire:NAME (inside this process)")
        .required();
    add_flows(app, args.flows);
    example::add_duration(app, "--seconds", args.duration, 1ms, example::max_time, "Stop after so long");
    app.add_option("--count", args.count, "Stop when so many packets have come, or a few more")
        .between(1, example::max_packets);
    app.add_option("--pin", args.cpus, "CPUs of the receiving and the writing thread: 2,3")
        .delimiter(',')
        .expected(1, 2)
        .between(0, 1023);
    add_file_options(app, args);
}

void add_file_options(example::CommandLine& app, Arguments& args) {
    app.add_option("-o,--output", args.output,
                   "File to write, in place of one that is there; or a FIFO; or -, standard output")
        .type_name("FILE")
        .required();
    add_choice<Format>(app, "--format", args.format, {{"pcapng", Format::pcapng}, {"raw", Format::raw}},
                       "Default pcapng; raw: the ring's blocks as they are");
    add_sequence(app, args.sequence);
    add_choice<Policy>(
        app, "--policy", args.policy,
        {{"drop", Policy::drop}, {"wait", Policy::wait}, {"overwrite", Policy::overwrite}},
        "When the ring is full: drop what comes (default), leave it to the device, or overwrite the oldest");
    app.add_option("--blocks", args.blocks, "Blocks in the ring (default 64)").between(4, 4096);
    app.add_option("--block-slots", args.block_slots, "Packets in a block (default 256)").between(1, 1048576);
    example::add_size(app, "--payload", args.payload_bytes, 1, 65507,
                      "Longest UDP payload in bytes (default: what the MTU allows)");
    app.add_flag("--direct,!--no-direct", args.writer.direct, "O_DIRECT, past the page cache (default), or not");
    app.add_flag("--uring,!--no-uring", args.writer.uring, "io_uring (default), or pwrite");
    app.add_option("--writes", args.writer.writes_in_flight, "Writes in flight (default 4)").between(1, 64);
}

}  // namespace capture
