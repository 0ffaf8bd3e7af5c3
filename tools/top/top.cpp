// SPDX-License-Identifier: Apache-2.0
// top: what runs here: programs that publish their numbers, and rings.
#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <cstdio>
#include <limits>
#include <mutex>
#include <stop_token>

#include <pktverbs/async/stop_on_signal.hpp>
#include "base/command.hpp"
#include "base/output.hpp"
#include "common/quantity_option.hpp"
#include "top/table.hpp"

namespace tool {

namespace {

using Clock = std::chrono::steady_clock;

/// Returns false if a stop is requested before.
bool sleep_until(Clock::time_point time, const std::stop_token& stop) {
    std::mutex mutex;
    std::condition_variable_any never;
    std::unique_lock lock{mutex};
    never.wait_until(lock, stop, time, [] { return false; });
    return !stop.stop_requested();
}

/// The lines of the terminal; 24 where it does not say.
std::size_t rows() {
    winsize size{};
    if (::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_row > 1) return size.ws_row;
    return 24;
}

/// On a terminal, in place of the table before.
void draw(const Table& table, bool is_terminal, std::size_t& drawn) {
    auto lines = table.lines(is_terminal ? columns() - 1 : 80);
    if (is_terminal) {
        lines.resize(std::min(lines.size(), rows() - 1));
        if (drawn != 0) fmt::print("\x1b[{}A", drawn);  // ECMA-48, CUU: so many lines up
        fmt::print("\r\x1b[J");                         // ED: erase to the end of the screen
    } else if (drawn != 0) {
        fmt::print("\n");
    }
    for (const auto& line : lines) fmt::print("{}\n", line);
    std::fflush(stdout);
    drawn = lines.size();
}

}  // namespace

int top(int argc, char** argv) {
    example::CommandLine app{
        "Shows what runs here, once a second: programs that were started with --publish, and the rings in /dev/shm.",
        argv[0]};
    app.footer(
        "For example:\n"
        "  pktverbs sink eth0 --publish > sink.txt &\n"
        "  pktverbs top\n"
        "  pktverbs top -c 1 --json\n\n"
        "Exit status: 0 all was well, 1 it failed, 2 wrong arguments");
    std::uint64_t count = std::numeric_limits<std::uint64_t>::max();
    std::chrono::nanoseconds duration = example::max_time;
    OutputOptions options;
    app.add_option("-c,--count", count, "End after so many tables").between(1, example::max_packets);
    example::add_duration(app, "-t,--time", duration, std::chrono::milliseconds{1}, example::max_time,
                          "End after so long");
    add_json(app, options);
    return app.run(argc, argv, [&]() -> int {
        const pktverbs::StopOnSignal signals;
        Output output{"top", options};
        const auto end = Clock::now() + duration;
        const bool is_terminal = ::isatty(STDOUT_FILENO) == 1;
        Table table;
        std::size_t drawn = 0;
        std::uint64_t tables = 0;
        table.update();  // rates are between two
        while (tables != count && sleep_until(std::min(end, output.due()), signals.token())) {
            const bool is_due = output.is_due();
            if (is_due) {
                table.update();
                output.sample(table.record());
                if (!options.json) draw(table, is_terminal, drawn);
                ++tables;
            }
            if (Clock::now() >= end) break;
        }
        const auto plural = [](std::size_t number) { return number == 1 ? "" : "s"; };
        output.end(fmt::format("{} table{}; at the end {} program{} and {} ring{}", tables, plural(tables),
                               table.programs(), plural(table.programs()), table.rings(), plural(table.rings())),
                   table.record());
        return done;
    });
}

}  // namespace tool
