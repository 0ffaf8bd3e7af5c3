// SPDX-License-Identifier: Apache-2.0
// RingReceiver: receives from a queue into a ring, each packet into its slot.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <stop_token>

#include <pktverbs/context.hpp>
#include <pktverbs/export.hpp>
#include <pktverbs/ring/block_ring.hpp>
#include <pktverbs/ring/ring_stats.hpp>
#include <pktverbs/ring/sequence_field.hpp>

namespace pktverbs {

/// What happens to a packet when no block is free for it.
enum class WhenFull : std::uint8_t {
    drop,       ///< dropped, and counted in RingStats::no_block
    wait,       ///< held, and no packet goes back to the NIC: what comes too much is dropped there (out_of_buffer)
    overwrite,  ///< the oldest filled block is taken back, unless the consumer has it
};

/// "drop", "wait", "overwrite".
PKTVERBS_EXPORT std::string_view to_string(WhenFull policy) noexcept;

struct RingReceiverOptions {
    /// Of the Context.
    std::size_t queue = 0;
    /// Without: packets fill the slots in the order in which they arrive. With: slot and block are the packet's number.
    std::optional<SequenceField> sequence = {};
    WhenFull when_full = WhenFull::drop;
    /// How many packets late a packet may be. A block with a gap is kept back until a number came that is so far behind
    /// its end, one without is handed over at once. Not more than half of what the sequence field can hold, over its
    /// divisor.
    std::uint32_t reorder_window = 64;
    /// In packets. A number further than this from the newest one, or than half of what the field can hold, is wild:
    /// dropped, unless the next one is near it. Then blocks are handed over as they are, and the sequence begins anew.
    /// At least reorder_window.
    std::uint32_t jump_limit = 1U << 16;
    /// A block is handed over as it is when its first packet came so long ago. Looked at once for each batch.
    std::chrono::nanoseconds hand_over_after = no_timeout;
};

/// Used by one thread at a time; stats() by any. Packets land in their slots by themselves if the Context was opened
/// with the ring's recv_layout() and the ring has free slots for all packets that are posted, and more; those that come
/// out of order, and all others, are copied once.
class PKTVERBS_EXPORT RingReceiver {
public:
    /// Takes the producer's side of the ring, and registers its memory with the Context. Throws std::system_error:
    /// EBUSY if the ring has a producer, EINVAL for options that contradict themselves or the ring. The Context's
    /// packets are aimed at the ring, also when the receiver has ended: the ring must outlive the Context, and the
    /// Context the receiver, and nobody else may produce into the ring before the Context is closed.
    RingReceiver(Context& ctx, const BlockRing& ring, const RingReceiverOptions& options = {});
    RingReceiver(RingReceiver&&) noexcept;
    RingReceiver& operator=(RingReceiver&&) noexcept;
    /// Flushes.
    ~RingReceiver();

    /// Receives one batch into the ring. As Queue::recv, what came of it; `timeout` also if packets are held because
    /// no block is free. A queue that went into error is recovered, and the packet that did it counted as failed;
    /// queue_error and device_error only if that failed.
    Outcome step(std::chrono::nanoseconds timeout = no_timeout, std::stop_token stop = {}) noexcept;
    /// Does it until stop is requested, or the device fails. Returns why.
    Outcome run(std::stop_token stop) noexcept;
    /// Hands over what there is of all blocks. What follows goes on with the next slot, in a block with the same base.
    /// False if a block, or packets that are held, had to wait because no block was free (WhenFull::wait): again, once
    /// step() has taken them.
    bool flush() noexcept;

    /// As of the last step(). Any thread.
    RingStats stats() const noexcept;
    /// How it is with the consumer, now. Asks the kernel.
    RingPeer consumer() const noexcept;

private:
    class State;
    std::unique_ptr<State> state_;
};

}  // namespace pktverbs
