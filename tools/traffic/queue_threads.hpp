// SPDX-License-Identifier: Apache-2.0
// QueueThreads: a sending thread for each queue, and the report on what they have sent.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

#include "base/cpu_list.hpp"
#include "base/output.hpp"

namespace tool {

/// For one thread, which starts the others and waits for them.
class QueueThreads {
public:
    /// Calls `work` with 0, 1, ... `count` - 1, each in its thread, on its processor of `cpus`. Once.
    void start(std::size_t count, const CpuList& cpus, std::function<void(std::size_t)> work);
    /// What all have sent so far; any thread may ask for it.
    struct Sent {
        std::uint64_t packets, bytes;
    };
    /// Reports once a second until all have ended.
    void report(Output& output, const std::function<Sent()>& sent);
    /// After the end: throws what one of them threw.
    void check() const;

private:
    bool wait_until(Output::Clock::time_point time);

    std::function<void(std::size_t)> work_;
    std::mutex mutex_;
    std::condition_variable ended_;
    std::size_t running_ = 0;
    std::exception_ptr failure_;
    std::vector<std::jthread> threads_;  // last: they use the others
};

}  // namespace tool
