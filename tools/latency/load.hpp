// SPDX-License-Identifier: Apache-2.0
// Load: traffic beside the probes.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <thread>

#include <pktverbs/context.hpp>
#include <pktverbs/time/rate.hpp>
#include "base/cpu_list.hpp"
#include "latency/probe.hpp"

namespace tool {

/// Sends numbered frames at a rate on the second queue of a context, which must outlive it, in a thread of its own, on
/// the second processor of `cpus`.
class Load {
public:
    Load(pktverbs::Context& ctx, const ProbePath& path, const pktverbs::Rate& rate, std::size_t frame_bytes,
         const CpuList& cpus);
    /// Stops it, and waits until what was sent has left. Harmless a second time.
    void stop();

    std::uint64_t sent() const noexcept { return sent_.load(std::memory_order_relaxed); }
    std::size_t frame_bytes() const noexcept { return frame_bytes_; }
    /// Why it ended by itself; empty if it did not. Only after stop().
    const std::string& error() const noexcept { return error_; }

private:
    void run(const std::stop_token& stop, ProbePath path, pktverbs::Rate rate);

    pktverbs::Context& ctx_;
    std::size_t frame_bytes_;
    std::atomic<std::uint64_t> sent_{0};
    std::string error_;
    std::jthread thread_;  // last: it uses the others
};

}  // namespace tool
