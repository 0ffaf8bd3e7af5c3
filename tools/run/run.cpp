// SPDX-License-Identifier: Apache-2.0
// run: runs a program on soft devices, or with the right to open raw sockets.
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <exception>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "base/command.hpp"
#include "run/privilege.hpp"

namespace tool {

namespace {

constexpr std::string_view usage =
    "usage: pktverbs run [OPTION...] [--] PROGRAM [ARGUMENT...]\n\n"
    "Runs a program on soft devices, with faults on demand, or with the right to\n"
    "open raw sockets. It takes the place of pktverbs, so its exit status and its\n"
    "signals are its own.\n\n"
    "  --net-raw      with CAP_NET_RAW as its only capability, an ambient one:\n"
    "                 LD_LIBRARY_PATH works, which a file capability (setcap) breaks\n"
    "  --user USER    with --net-raw, for root: as this user, a name or a number\n"
    "  --device [NAME=]DEVICE\n"
    "                 a soft device that the program sees; may be given several times\n"
    "  --faults FAULTS\n"
    "                 faults to inject, to test the program's error paths\n"
    "  --wait SECONDS\n"
    "                 how long opening a device waits for its other end\n"
    "  --preload      LD_PRELOAD instead of LD_LIBRARY_PATH\n"
    "  --print        print the environment variables instead of running a program\n"
    "  -h, --help     this text; pktverbs-run --help has more about DEVICE and FAULTS\n\n"
    "For example:\n\n"
    "  pktverbs run --device packet:eth0 -- ibv_devinfo -v\n"
    "  pktverbs run --device pipe:a --faults loss=0.01 -- ./my_capture\n"
    "  sudo pktverbs run --net-raw --user \"$USER\" -- ./my_capture\n\n"
    "Exit status: the program's; 1 --net-raw failed; 2 wrong arguments;\n"
    "126 or 127 the program cannot be run, or was not found\n";

struct Plan {
    bool net_raw = false;
    bool prints = false;
    std::string user;
    std::vector<char*> soft;  ///< options that are pktverbs-run's
    char** program = nullptr;
};

int fail(int status, std::string_view text) {
    fmt::print(stderr, "pktverbs run: {}\n", text);
    return status;
}

/// Beside this program where it is installed; in the folder of the libraries in the build tree. Empty if this build
/// has none.
std::string wrapper() {
    std::error_code error;
    const auto here = std::filesystem::read_symlink("/proc/self/exe", error).parent_path();
    for (const char* const place : {"pktverbs-run", "../dropin/pktverbs-run"})
        if (auto path = here / place; ::access(path.c_str(), X_OK) == 0) return path.string();
    return {};
}

int execute(const char* program, std::vector<char*> arguments) {
    arguments.push_back(nullptr);
    ::execvp(program, arguments.data());
    // As a shell says it: 127 there is none, 126 it cannot be run.
    const int error = errno;
    return fail(error == ENOENT ? 127 : 126, fmt::format("cannot run {}: {}", program, std::strerror(error)));
}

int help() {
    fmt::print("{}", usage);
    return std::fflush(stdout) == 0 ? done : fail(failed, "cannot write the help");
}

/// Returns why the arguments are refused, or an empty text.
std::string read(char** argv, Plan& plan) {
    for (++argv; *argv; ++argv) {
        const std::string_view word = *argv;
        const auto name = word.substr(0, word.find('='));
        const bool has_value = name.size() < word.size();
        if (word == "--") {
            ++argv;
            break;
        }
        if (!word.starts_with('-')) break;
        if (word == "--net-raw") {
            plan.net_raw = true;
        } else if (word == "--preload" || word == "--print") {
            plan.prints |= word == "--print";
            plan.soft.push_back(*argv);
        } else if (name == "--user" || name == "--device" || name == "--faults" || name == "--wait") {
            if (has_value ? name.size() + 1 == word.size() : !argv[1] || *argv[1] == '\0')
                return fmt::format("{} needs a value", name);
            if (name == "--user") {
                plan.user = has_value ? std::string{word.substr(name.size() + 1)} : *++argv;
                continue;
            }
            plan.soft.push_back(*argv);
            if (!has_value) plan.soft.push_back(*++argv);
        } else {
            return fmt::format("there is no option '{}' (pktverbs run --help)", name);
        }
    }
    plan.program = argv;
    if (!plan.user.empty() && !plan.net_raw) return "--user is for --net-raw: sudo -u USER alone runs it as another";
    if (plan.prints && plan.net_raw) return "--print runs nothing, so it excludes --net-raw";
    if (!plan.prints && !*argv) return "which program? (pktverbs run --help)";
    return {};
}

}  // namespace

int run(int, char** argv) {
    if (argv[1] && (std::string_view{argv[1]} == "--help" || std::string_view{argv[1]} == "-h")) return help();
    Plan plan;
    if (const auto refused = read(argv, plan); !refused.empty()) return fail(bad_use, refused);
    // Only raw sockets were asked for: no library stands in front of the program's.
    const bool is_plain = plan.net_raw && plan.soft.empty();
    auto script = is_plain ? std::string{} : wrapper();
    if (!is_plain && script.empty())
        return fail(failed, "there is no pktverbs-run: pktverbs was built without PKTVERBS_DROPIN");
    try {
        if (plan.net_raw) keep_net_raw_only(plan.user);
    } catch (const std::exception& error) {
        return fail(failed, error.what());
    }
    std::vector<char*> arguments;
    std::string end = "--";
    if (!is_plain) {
        arguments.push_back(script.data());
        arguments.insert(arguments.end(), plan.soft.begin(), plan.soft.end());
        arguments.push_back(end.data());
    }
    for (char** word = plan.program; *word; ++word) arguments.push_back(*word);
    return execute(is_plain ? *plan.program : script.c_str(), arguments);
}

}  // namespace tool
