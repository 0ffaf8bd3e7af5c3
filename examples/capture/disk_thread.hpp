// SPDX-License-Identifier: Apache-2.0
// DiskThread: the consumer of a ring, which puts its blocks into a file.
#pragma once

#include <atomic>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <thread>

#include <pktverbs/ring/block_ring.hpp>
#include <pktverbs/ring/ring_reader.hpp>
#include "flow_sequences.hpp"
#include "recorder.hpp"

namespace capture {

class DiskThread {
public:
    /// `recorder` writes to `file`. When that fails, `failed` is called once, from the thread; blocks are taken and
    /// given back all the same, until the ring's producer has ended, so that this one never waits for a dead disk.
    DiskThread(const pktverbs::BlockRing& ring, BlockWriter& file, Recorder& recorder, FlowSequences& sequences,
               std::function<void()> failed);

    /// Of blocks that are in the file, or on their way. Any thread.
    std::uint64_t packets() const noexcept { return packets_.load(std::memory_order_relaxed); }
    /// By their sequence numbers. Any thread.
    std::uint64_t missing() const noexcept { return missing_.load(std::memory_order_relaxed); }
    std::thread::native_handle_type handle() { return thread_.native_handle(); }

    /// Until everything is taken, after the producer has ended. Throws what the thread threw.
    void join();

private:
    void run() noexcept;
    void take_blocks();
    void take(pktverbs::RingBlock block);
    void report_failure();

    BlockWriter& file_;
    Recorder& recorder_;
    FlowSequences& sequences_;
    std::function<void()> failed_;
    pktverbs::RingReader reader_;
    std::atomic<std::uint64_t> packets_ = 0;
    std::atomic<std::uint64_t> missing_ = 0;
    std::exception_ptr error_;
    std::jthread thread_;
};

}  // namespace capture
