// SPDX-License-Identifier: Apache-2.0
// instructions: a path's turns in a function that callgrind can be told to look at alone; scripts/bench --instructions
// runs it.
#include <fmt/core.h>
#include <gnu/libc-version.h>

#include <cstdint>
#include <cstdlib>
#include <exception>
#include <map>
#include <string>

#include "path.hpp"

namespace bench {
namespace {

const std::map<std::string, NamedPath> paths{
    {"wire64", NamedPath{"wire"}},
    {"wire64_bare", NamedPath{"bare"}},
    {"wire8192", NamedPath{"wire,bytes=8192"}},
    {"wire64_vlan", NamedPath{"wire,vlan=1"}},
    {"wire80_ipv6", NamedPath{"wire,bytes=80,ipv6=1"}},
    {"wire64_rules1000", NamedPath{"wire,flows=200,rules=1000"}},
    {"ring64", NamedPath{"ring,packets=4096"}},
    {"ring64_small", NamedPath{"ring"}},
    {"pipe64", NamedPath{"pipe"}},
    {"memif64", NamedPath{"memif"}},
};

/// Enough for each buffer of a ring to have been used, and for functions to have been found by the loader.
constexpr std::uint64_t turns_before = 200;

int list() {
    fmt::print("compiler: {} {}\nflags: {}\nlibc: {}\nbatch: {}\npaths:", BENCH_COMPILER, __VERSION__, BENCH_FLAGS,
               gnu_get_libc_version(), PathOptions{}.batch);
    for (const auto& [name, path] : paths) fmt::print(" {}", name);
    fmt::print("\n");
    return 0;
}

}  // namespace
}  // namespace bench

/// Its name is known to scripts/bench.
extern "C" [[gnu::noinline]] void measured_turns(bench::Path& path, std::uint64_t turns) {
    for (std::uint64_t i = 0; i < turns; ++i) path.turn();
}

int main(int argc, char** argv) try {
    if (argc == 2 && std::string{argv[1]} == "--list") return bench::list();
    const auto found = argc == 3 ? bench::paths.find(argv[1]) : bench::paths.end();
    if (found == bench::paths.end()) {
        fmt::print(stderr, "usage: instructions PATH TURNS\n       instructions --list\n");
        return 2;
    }
    const auto path = found->second.make();
    for (std::uint64_t i = 0; i < bench::turns_before; ++i) path->turn();
    measured_turns(*path, std::stoull(argv[2]));
    path->check();
    return 0;
} catch (const std::exception& error) {
    fmt::print(stderr, "instructions: {}\n", error.what());
    return 1;
}
