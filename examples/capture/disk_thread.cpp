// SPDX-License-Identifier: Apache-2.0
#include "disk_thread.hpp"

#include <chrono>
#include <utility>

namespace capture {

DiskThread::DiskThread(const pktverbs::BlockRing& ring, Recorder& recorder, FlowSequences& sequences,
                       std::function<void()> failed)
    : recorder_{recorder}, sequences_{sequences}, failed_{std::move(failed)}, reader_{ring}, thread_{[this] {
          run();
      }} {}

void DiskThread::join() {
    thread_.join();
    if (error_) std::rethrow_exception(error_);
}

void DiskThread::run() noexcept {
    try {
        take_blocks();
        return;
    } catch (...) {
        error_ = std::current_exception();
        report_failure();
    }
    // The producer must not wait for a consumer that is attached and does not consume.
    while (reader_.next().outcome() != pktverbs::RingOutcome::finished) {
    }
}

void DiskThread::take_blocks() {
    // How often, at least, written blocks return to the ring.
    constexpr std::chrono::milliseconds longest_wait{20};
    for (;;) {
        auto block = reader_.next(longest_wait);
        switch (block.outcome()) {
            case pktverbs::RingOutcome::block:
                take(std::move(block));
                break;
            case pktverbs::RingOutcome::finished:
                return;
            default:
                recorder_.poll();
        }
        if (recorder_.error() != 0) report_failure();
    }
}

void DiskThread::take(pktverbs::RingBlock block) {
    for (std::uint32_t slot = block.first_slot(); slot < block.end_slot(); ++slot)
        if (block.valid(slot)) sequences_.add(block.header(slot), block.payload(slot));
    const auto packets = packets_.load(std::memory_order_relaxed) + block.valid_count();
    recorder_.add(std::move(block));
    packets_.store(packets, std::memory_order_relaxed);
    missing_.store(sequences_.missing(), std::memory_order_relaxed);
}

void DiskThread::report_failure() {
    if (failed_) std::exchange(failed_, nullptr)();
}

}  // namespace capture
