// SPDX-License-Identifier: Apache-2.0
#include "arguments.hpp"

#include "common/cli.hpp"

#include <map>
#include <string>

namespace capture {

namespace {

void add_flows(CLI::App& app, std::vector<UdpFlow>& flows) {
    auto store = [&flows](const std::vector<std::string>& texts) {
        for (const auto& text : texts) {
            const auto flow = UdpFlow::parse(text);
            if (!flow) throw CLI::ValidationError("--flow", fmt::format("'{}' is not ADDRESS:PORT or any:PORT", text));
            if (std::ranges::find(flows, *flow) != flows.end())
                throw CLI::ValidationError("--flow", fmt::format("{} is there twice", text));
            flows.push_back(*flow);
        }
    };
    app.add_option_function<std::vector<std::string>>(
           "--flow", store, "UDP packets to this IPv4 address, or any, and port; joins a group; may be repeated")
        ->type_name("ADDRESS:PORT")
        ->required();
}

void add_sequence(CLI::App& app, std::optional<SequenceOption>& sequence) {
    auto store = [&sequence](const std::string& text) {
        sequence = SequenceOption::parse(text);
        if (!sequence)
            throw CLI::ValidationError("--sequence",
                                       fmt::format("'{}' is not OFFSET:WIDTH[:big|little] with 1 to 8 bytes", text));
    };
    app.add_option_function<std::string>("--sequence", store,
                                         "Sequence number in the UDP payload, in bytes (pktgen's: 0:8)")
        ->type_name("OFFSET:WIDTH[:big|little]");
}

template <class Choice>
void add_choice(CLI::App& app, const char* name, Choice& value, std::map<std::string, Choice> names, const char* help) {
    std::string list;
    for (const auto& [word, choice] : names) list += (list.empty() ? "" : "|") + word;
    auto store = [&value, name, names = std::move(names), list](const std::string& text) {
        const auto found = names.find(text);
        if (found == names.end()) throw CLI::ValidationError(name, fmt::format("'{}' is none of {}", text, list));
        value = found->second;
    };
    app.add_option_function<std::string>(name, store, help)->type_name(list);
}

}  // namespace

void add_options(CLI::App& app, Arguments& args) {
    using example::between;
    app.add_option("DEVICE", args.device, "eth0, packet:eth0, ibv:mlx5_0/1, wire:NAME")->required();
    add_flows(app, args.flows);
    app.add_option("-o,--output", args.output, "File to write; one that is there is overwritten")
        ->type_name("FILE")
        ->required();
    add_choice<Format>(app, "--format", args.format, {{"pcapng", Format::pcapng}, {"raw", Format::raw}},
                       "Default pcapng; raw: the ring's blocks as they are");
    add_sequence(app, args.sequence);
    add_choice<Policy>(
        app, "--policy", args.policy,
        {{"drop", Policy::drop}, {"wait", Policy::wait}, {"overwrite", Policy::overwrite}},
        "When the ring is full: drop what comes (default), leave it to the device, or overwrite the oldest");
    app.add_option("--blocks", args.blocks, "Blocks in the ring (default 64)")->check(between(4, 4096));
    app.add_option("--block-slots", args.block_slots, "Packets in a block (default 256)")->check(between(1, 1048576));
    app.add_option("--payload", args.payload_bytes, "Longest UDP payload in bytes (default: what the MTU allows)")
        ->check(between(1, 65507));
    app.add_option("--seconds", args.seconds, "Stop after so long")->check(between(0.001, example::longest_seconds));
    app.add_option("--count", args.count, "Stop when so many packets have come, or a few more")
        ->check(between(1, example::most_packets));
    app.add_option("--pin", args.cpus, "CPUs of the receiving and the writing thread: 2,3")
        ->delimiter(',')
        ->expected(1, 2)
        ->check(between(0, 1023));
    app.add_flag("--direct,!--no-direct", args.writer.direct, "O_DIRECT, past the page cache (default), or not");
    app.add_flag("--uring,!--no-uring", args.writer.uring, "io_uring (default), or pwrite");
    app.add_option("--writes", args.writer.writes_in_flight, "Writes in flight (default 4)")->check(between(1, 64));
}

}  // namespace capture
