// SPDX-License-Identifier: Apache-2.0
// RingReader: the consumer of a ring.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <stop_token>

#include <pktverbs/export.hpp>
#include <pktverbs/options.hpp>
#include <pktverbs/ring/block_ring.hpp>
#include <pktverbs/ring/ring_block.hpp>

namespace pktverbs {

/// Reads the filled blocks of a ring, oldest first.
///
/// One thread at a time. If a reader died with blocks, the next one gets them again. In a forked child, the end of a
/// copy has no effect unless the child used it.
class PKTVERBS_EXPORT RingReader {
public:
    /// Attaches as the ring's consumer. Throws std::system_error: EBUSY if the ring has a consumer, ETIMEDOUT if
    /// another process holds the lock for attaching for more than half a second.
    explicit RingReader(const BlockRing& ring);
    RingReader(RingReader&&) noexcept;
    RingReader& operator=(RingReader&&) noexcept;
    ~RingReader();

    /// Waits for the next block; if there is none, RingBlock::outcome() says why. `no_timeout` never times out; zero or
    /// less never waits. Several blocks may be held at once, which leaves the producer fewer. Doesn't throw or
    /// allocate.
    RingBlock next(std::chrono::nanoseconds timeout = no_timeout, std::stop_token stop = {}) noexcept;

    /// Returns the current state of the producer. Asks the kernel, so don't call it per block.
    RingPeer producer() const noexcept;

private:
    struct News {
        std::uint64_t deaths;
        std::uint64_t generation;
        RingOutcome outcome = RingOutcome::timeout;
    };
    bool take(RingBlock& block, std::uint32_t index, std::uint64_t number) noexcept;
    bool take_expected(RingBlock& block) noexcept;
    bool take_oldest(RingBlock& block) noexcept;
    RingOutcome poll(RingBlock& block) noexcept;
    RingOutcome wait(RingBlock& block, std::chrono::nanoseconds timeout, const std::stop_token& stop) noexcept;
    News news() const noexcept;
    RingOutcome report(const News& news) noexcept;

    std::shared_ptr<class ConsumerSeat> seat_;
    RingView view_;
    std::uint64_t next_number_ = 0;      ///< of the next block, if none is overwritten
    std::uint32_t next_index_ = 0;       ///< where it is likely to be
    std::uint64_t told_generation_ = 0;  ///< of the last producer whose end was reported
    std::uint64_t known_deaths_ = 0;
    std::uint32_t empty_polls_ = 0;
};

}  // namespace pktverbs
