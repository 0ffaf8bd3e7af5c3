// SPDX-License-Identifier: Apache-2.0
// Publication: numbers of a running program, where `pktverbs top` finds them.
#pragma once

#include <string>
#include <string_view>

namespace tool {

/// A file /dev/shm/pktverbs.PID, readable for everybody and replaced as a whole, so a reader sees old or new numbers.
///
/// Its first line is "pktverbs-status 1 PID START NAME SECONDS": START is when the process began, in field 22 of
/// /proc/PID/stat, so that another process of the same number is not taken for it; NAME is the subcommand, SECONDS how
/// long it has run. Metrics follow as in a file of --metrics.
class Publication {
public:
    static constexpr std::string_view folder = "/dev/shm/", prefix = "pktverbs.", word = "pktverbs-status";
    static constexpr int version = 1;

    /// Throws std::system_error if the file cannot be written.
    explicit Publication(std::string_view name);
    Publication(const Publication&) = delete;
    Publication& operator=(const Publication&) = delete;
    /// Removes the file. After a crash, `pktverbs top` does.
    ~Publication();

    /// Replaces the numbers. If it fails, as /dev/shm is full, the old ones stay, and get old.
    void set(double seconds, std::string_view metrics) noexcept;

private:
    void write(double seconds, std::string_view metrics);

    std::string name_, path_;
    unsigned long long start_;
};

/// When a process began, in clock ticks since the machine did. 0: there is no such process.
unsigned long long start_of(int process);

}  // namespace tool
