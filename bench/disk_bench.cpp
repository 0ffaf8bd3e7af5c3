// SPDX-License-Identifier: Apache-2.0
// disk_bench: how fast the capture example's BlockWriter gets pieces of memory to disk, in its different ways.
#include <fcntl.h>
#include <fmt/core.h>
#include <sys/resource.h>
#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <cstring>
#include <exception>
#include <string>
#include <system_error>

#include <pktverbs/memory/memory.hpp>
#include "block_writer.hpp"
#include "common/command_line.hpp"

namespace {

struct Plan {
    std::string path;
    double gigabytes = 4;
    std::size_t piece_bytes = std::size_t{2} << 20;
    capture::WriterOptions writer;
};

double seconds_of_cpu() {
    rusage usage{};
    getrusage(RUSAGE_SELF, &usage);
    auto seconds = [](const timeval& time) {
        return static_cast<double>(time.tv_sec) + 1e-6 * static_cast<double>(time.tv_usec);
    };
    return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

void run(const Plan& plan) {
    using Clock = std::chrono::steady_clock;
    // As many pieces as a ring might have, so that memory is not always the same few in the cache.
    constexpr std::size_t pieces = 32;
    const pktverbs::Memory memory{pieces * plan.piece_bytes};
    std::memset(memory.data(), 0x5a, memory.size());
    const auto total = static_cast<std::uint64_t>(plan.gigabytes * 1e9) / plan.piece_bytes;

    const double cpu = seconds_of_cpu();
    const auto start = Clock::now();
    auto since_start = [&] { return std::chrono::duration<double>{Clock::now() - start}.count(); };
    capture::BlockWriter writer{plan.path, plan.writer};
    for (std::uint64_t i = 0; i < total && writer.error() == 0; ++i)
        writer.write({memory.data() + i % pieces * plan.piece_bytes, plan.piece_bytes});
    writer.finish(total * plan.piece_bytes);
    const double written = since_start();
    if (writer.error() != 0) throw std::system_error{writer.error(), std::generic_category(), plan.path};
    const double cpu_written = seconds_of_cpu() - cpu;

    const int file = open(plan.path.c_str(), O_RDONLY | O_CLOEXEC);
    fsync(file);
    close(file);
    const auto gigabytes = 1e-9 * static_cast<double>(total * plan.piece_bytes);
    fmt::print("{:.2f} GB/s until written, {:.2f} GB/s until on disk, {:.2f} s of CPU per GB: {}\n",
               gigabytes / written, gigabytes / since_start(), cpu_written / gigabytes, writer.how());
}

}  // namespace

int main(int argc, char** argv) {
    example::CommandLine app{"Writes a file the way capture does, and removes it.", "disk_bench"};
    Plan plan;
    app.add_option("FILE", plan.path).required();
    app.add_option("--gigabytes", plan.gigabytes);
    app.add_option("--piece", plan.piece_bytes, "Bytes, a multiple of 4096");
    app.add_option("--writes", plan.writer.writes_in_flight, "In flight");
    app.add_flag("--direct,!--no-direct", plan.writer.direct);
    app.add_flag("--uring,!--no-uring", plan.writer.uring);
    if (const auto status = app.parse(argc, argv)) return *status;
    try {
        run(plan);
        unlink(plan.path.c_str());
        return 0;
    } catch (const std::exception& error) {
        fmt::print(stderr, "disk_bench: {}\n", error.what());
        unlink(plan.path.c_str());
        return 1;
    }
}
