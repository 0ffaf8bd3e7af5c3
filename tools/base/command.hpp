// SPDX-License-Identifier: Apache-2.0
// Command: a subcommand of pktverbs.
#pragma once

#include <string_view>

namespace tool {

/// The exit statuses that scripts may rely on.
enum ExitStatus : int {
    done = 0,
    failed = 1,
    bad_use = 2,
    fell_short = 3,  ///< it ran, but lost packets, missed the rate asked for, or received nothing
};

struct Command {
    std::string_view name;
    std::string_view brief;
    int (*run)(int argc, char** argv);  ///< argv[0] is "pktverbs NAME"
};

int bridge(int argc, char** argv);
int capture(int argc, char** argv);
int demo(int argc, char** argv);
int devices(int argc, char** argv);
int doctor(int argc, char** argv);
int gen(int argc, char** argv);
int latency(int argc, char** argv);
int ping(int argc, char** argv);
int replay(int argc, char** argv);
int ring(int argc, char** argv);
int run(int argc, char** argv);
int search(int argc, char** argv);
int sink(int argc, char** argv);
int top(int argc, char** argv);

}  // namespace tool
