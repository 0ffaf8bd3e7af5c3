// SPDX-License-Identifier: Apache-2.0
// measure: what benchmarks share: processor time, medians, two processes and how long they take.
#pragma once

#include <fmt/core.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <stdexcept>
#include <string_view>
#include <vector>

namespace measure {

/// That this process has had of processors.
inline double cpu_seconds() {
    timespec now{};
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

/// The upper one of two; of at least one. Reorders them.
inline double median(std::vector<double>& values) {
    const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
    std::nth_element(values.begin(), middle, values.end());
    return *middle;
}

/// Of the wall clock, and how much of it this process had a processor.
class Stopwatch {
public:
    double seconds() const { return std::chrono::duration<double>{std::chrono::steady_clock::now() - start_}.count(); }
    double cpu_share() const { return (cpu_seconds() - cpu_) / seconds(); }

private:
    std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
    double cpu_ = cpu_seconds();
};

inline void print_rate(std::string_view what, std::uint32_t bytes, std::uint64_t messages, const Stopwatch& watch) {
    const double rate = static_cast<double>(messages) / watch.seconds();
    fmt::print("{} {} bytes: {:.0f} messages/s, {:.2f} MiB/s, cpu_share {:.2f}\n", what, bytes, rate,
               rate * bytes / (1 << 20), watch.cpu_share());
}

/// The time of each turn, there and back.
class Turns {
public:
    explicit Turns(std::uint64_t expected) { turns_.reserve(expected); }

    void add() {
        const std::uint64_t now = ticks();
        turns_.push_back(now - last_);
        last_ = now;
    }
    std::size_t size() const noexcept { return turns_.size(); }

    void print(std::uint32_t bytes) {
        const double half_us = watch_.seconds() * 1e6 / 2;
        const double us_per_tick = half_us / static_cast<double>(last_ - first_);
        std::ranges::sort(turns_);
        const auto at = [&](std::size_t percent) {
            return static_cast<double>(turns_[turns_.size() * percent / 100]) * us_per_tick;
        };
        fmt::print("latency {} bytes: median {:.2f} us, mean {:.2f} us, 99% {:.2f} us, cpu_share {:.2f}\n", bytes,
                   at(50), half_us / static_cast<double>(turns_.size()), at(99), watch_.cpu_share());
    }

private:
    /// The processor's counter, as perftest reads it: the system's clock is slow to read in an emulated machine.
    static std::uint64_t ticks() {
#ifdef __x86_64__
        return __builtin_ia32_rdtsc();
#else
        return static_cast<std::uint64_t>(std::chrono::steady_clock::now().time_since_epoch().count());
#endif
    }

    std::vector<std::uint64_t> turns_;
    Stopwatch watch_;
    std::uint64_t first_ = ticks();
    std::uint64_t last_ = first_;
};

/// Through a socket to the other process.
template <class Value>
Value exchange(int fd, const Value& own) {
    Value theirs{};
    if (write(fd, &own, sizeof own) != static_cast<ssize_t>(sizeof own) ||
        recv(fd, &theirs, sizeof theirs, MSG_WAITALL) != static_cast<ssize_t>(sizeof theirs))
        throw std::runtime_error{"the other process has ended"};
    return theirs;
}

/// Neither goes on before the other is there.
inline void meet(int fd) { exchange(fd, '\0'); }

/// Runs side 0 in this process and side 1 in another one, each with its end of a socket pair; the exit status.
template <class Side>
int run_two(Side run) {
    int fds[2];
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, fds) != 0) return perror("socketpair"), 1;
    const pid_t child = fork();
    if (child < 0) return perror("fork"), 1;
    const int side = child == 0 ? 1 : 0;
    close(fds[1 - side]);
    const int result = run(side, fds[side]);
    close(fds[side]);
    if (child == 0) return result;
    int status = 0;
    waitpid(child, &status, 0);
    return result != 0 || !WIFEXITED(status) ? 1 : WEXITSTATUS(status);
}

}  // namespace measure
