// SPDX-License-Identifier: Apache-2.0
// DiskThread: the consumer of a ring, which writes its blocks to a file.
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
    /// When the recorder's file fails, `failed` is called once, from the thread. Blocks are still taken
    /// and returned until the ring's producer has ended, so that the producer never waits for a failed disk.
    DiskThread(const pktverbs::BlockRing& ring, Recorder& recorder, FlowSequences& sequences,
               std::function<void()> failed);

    /// Returns the number of packets in blocks that are written or being written. Any thread may call it.
    std::uint64_t packets() const noexcept { return packets_.load(std::memory_order_relaxed); }
    /// Returns the number of missing sequence numbers. Any thread may call it.
    std::uint64_t missing() const noexcept { return missing_.load(std::memory_order_relaxed); }
    std::thread::native_handle_type handle() { return thread_.native_handle(); }

    /// Waits until all blocks are taken, after the producer has ended. Throws the exception of the thread.
    void join();

private:
    void run() noexcept;
    void take_blocks();
    void take(pktverbs::RingBlock block);
    void report_failure();

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
