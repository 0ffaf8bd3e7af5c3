// SPDX-License-Identifier: Apache-2.0
// pktverbs: one command with a subcommand for each job.
#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <pktverbs/version.hpp>
#include "base/command.hpp"

namespace {

using tool::Command;

constexpr Command commands[] = {
    {"bridge", "Joins devices: two as a cable does, more as a switch that learns", tool::bridge},
    {"capture", "Records packets on disk, or into a pipe for Wireshark", tool::capture},
    {"demo", "Five seconds that show what it does, without a NIC or privileges", tool::demo},
    {"devices", "Lists interfaces and verbs devices, and what they can do", tool::devices},
    {"doctor", "Says what a device and this machine lack, and what to do about it", tool::doctor},
    {"gen", "Sends numbered packets, at a rate or as fast as it goes", tool::gen},
    {"latency", "Measures how long frames take, one way or to an echo and back", tool::latency},
    {"ping", "Pings IPv4 and IPv6 addresses, or answers pings like a host", tool::ping},
    {"replay", "Sends what a pcap or pcapng file has recorded", tool::replay},
    {"ring", "Lists rings in /dev/shm, shows what is in them, removes them", tool::ring},
    {"run", "Runs a program on soft devices, or with the right to raw sockets", tool::run},
    {"search", "Finds the highest rate at which nothing is lost", tool::search},
    {"sink", "Receives numbered packets, and reports what is missing", tool::sink},
    {"top", "Shows the programs and rings that are at work here, once a second", tool::top},
};

void help(std::FILE* file) {
    fmt::print(file,
               "usage: pktverbs SUBCOMMAND [OPTION...] [DEVICE...]\n\n"
               "Raw Ethernet frames over IB Verbs, on a NIC or in software.\n\n");
    for (const auto& command : commands) fmt::print(file, "  {:<9} {}\n", command.name, command.brief);
    fmt::print(file,
               "\n"
               "  -h, --help     this text; pktverbs SUBCOMMAND --help: its options\n"
               "  --version      print the version\n\n"
               "DEVICE: eth0, packet:eth0, xdp:eth0, ibv:mlx5_0/1, pipe:NAME, memif:SOCKET,\n"
               "tap:NAME, pcap:in=FILE\n"
               "Exit status: 0 all was well; 1 it failed; 2 wrong arguments; 3 it ran, but lost\n"
               "packets, missed the rate asked for, or received nothing\n");
}

/// The number of letters to change, leave out or add (Levenshtein).
std::size_t distance(std::string_view a, std::string_view b) {
    std::vector<std::size_t> row(b.size() + 1);
    for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
    for (std::size_t i = 1; i <= a.size(); ++i) {
        std::size_t diagonal = row[0];
        row[0] = i;
        for (std::size_t j = 1; j <= b.size(); ++j) {
            const std::size_t above = row[j];
            row[j] = std::min({above + 1, row[j - 1] + 1, diagonal + (a[i - 1] == b[j - 1] ? 0 : 1)});
            diagonal = above;
        }
    }
    return row[b.size()];
}

int no_such(std::string_view word) {
    fmt::print(stderr, "pktverbs: there is no {} '{}'", word.starts_with('-') ? "option" : "subcommand", word);
    const auto& nearest =
        *std::ranges::min_element(commands, {}, [&](const Command& command) { return distance(word, command.name); });
    if (distance(word, nearest.name) <= 2) fmt::print(stderr, "; is '{}' meant?", nearest.name);
    fmt::print(stderr, " (pktverbs --help)\n");
    return tool::bad_use;
}

/// Output that got lost is a failure, as it is for the subcommands.
int written() { return std::fflush(stdout) == 0 && std::ferror(stdout) == 0 ? tool::done : tool::failed; }

}  // namespace

int main(int argc, char** argv) {
    if (argc < 2) {
        help(stderr);
        return tool::bad_use;
    }
    std::string_view word = argv[1];
    if (word == "--version") {
        fmt::print("pktverbs {}\n", pktverbs::version());
        return written();
    }
    const bool asks_help = word == "-h" || word == "--help" || word == "help";
    if (asks_help && argc < 3) {
        help(stdout);
        return written();
    }
    if (asks_help) word = argv[2];
    const auto* const command = std::ranges::find(commands, word, &Command::name);
    if (command == std::end(commands)) return no_such(word);
    std::string name = fmt::format("pktverbs {}", command->name), help_option = "--help";
    if (asks_help) {
        char* asked[] = {name.data(), help_option.data(), nullptr};
        return command->run(2, asked);
    }
    argv[1] = name.data();
    return command->run(argc - 1, argv + 1);
}
