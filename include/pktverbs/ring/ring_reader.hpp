// SPDX-License-Identifier: Apache-2.0
// RingReader: the consumer's side of a ring.
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

/// Gives the filled blocks of a ring, oldest first. One thread at a time. Blocks that a reader before it had not given
/// back when its process died come again. A forked child's copy changes nothing when it ends, unless the child used it.
class PKTVERBS_EXPORT RingReader {
public:
    /// Throws std::system_error: EBUSY if the ring has a consumer, ETIMEDOUT if another process has kept the lock under
    /// which sides change for half a second.
    explicit RingReader(const BlockRing& ring);
    RingReader(RingReader&&) noexcept;
    RingReader& operator=(RingReader&&) noexcept;
    ~RingReader();

    /// The next block, as soon as there is one; RingBlock::outcome() tells why there is none. `no_timeout` never times
    /// out; zero or less never waits. Several blocks may be held at once: the producer does without them. Doesn't
    /// throw or allocate.
    RingBlock next(std::chrono::nanoseconds timeout = no_timeout, std::stop_token stop = {}) noexcept;

    /// How it is with the other side, now. Asks the kernel: not for every block.
    RingPeer producer() const noexcept;

private:
    struct News {
        std::uint64_t deaths;
        std::uint64_t generation;
        RingOutcome outcome = RingOutcome::timeout;
    };
    bool take(RingBlock& block) noexcept;
    bool take(RingBlock& block, std::uint32_t index, std::uint64_t number) noexcept;
    News news() const noexcept;

    std::shared_ptr<class ConsumerSeat> seat_;
    RingView view_;
    std::uint64_t next_number_ = 0;      ///< of the next block, if none is overwritten
    std::uint32_t next_index_ = 0;       ///< where it is likely to be
    std::uint64_t told_generation_ = 0;  ///< of the last producer whose end was told
    std::uint64_t known_deaths_ = 0;
    std::uint32_t empty_polls_ = 0;
};

}  // namespace pktverbs
