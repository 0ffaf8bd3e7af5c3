// SPDX-License-Identifier: Apache-2.0
// RingReceiver: the producer that fills a ring from a queue.
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
    drop,  ///< it is dropped, and counted in RingStats::no_block
    wait,  ///< it is held, and no packet is posted to the NIC, which then drops what exceeds its queue (out_of_buffer)
    overwrite,  ///< the oldest filled block is reused, unless the consumer has it
};

/// Returns "drop", "wait" or "overwrite".
PKTVERBS_EXPORT std::string_view to_string(WhenFull policy) noexcept;

/// Selects the queue that a RingReceiver receives from, and the place of each packet in the ring.
struct RingReceiverOptions {
    /// The queue's index in the Context.
    std::size_t queue = 0;
    /// Where packets carry their number, which selects slot and block. nullopt: packets fill the slots in order of
    /// arrival.
    std::optional<SequenceField> sequence = {};
    WhenFull when_full = WhenFull::drop;  ///< what to do when no block is free
    /// How many packets late a packet may be. A block with gaps is handed over once a number this far beyond its end
    /// has come, a complete block at once. At most half of what the sequence field can hold, divided by its divisor.
    std::uint32_t reorder_window = 64;
    /// In packets: a number further than this from the newest one, or than half of what the field can hold, is wild. It
    /// is dropped, unless the next one is near it; then blocks are handed over as they are, and the sequence starts
    /// again there. At least reorder_window.
    std::uint32_t jump_limit = 1U << 16;
    /// A block is handed over as it is once its first packet is this old. Checked once per batch.
    std::chrono::nanoseconds hand_over_after = no_timeout;
};

/// Receives from a queue into a ring, each packet into its slot.
///
/// One thread at a time; any thread may call stats(). The NIC writes packets directly to their slots if the Context was
/// opened with the ring's recv_layout() and the ring has more free slots than packets are posted; packets that come out
/// of order, and all others, are copied once.
class PKTVERBS_EXPORT RingReceiver {
public:
    /// Attaches as the ring's producer, and registers its memory with the Context. Throws std::system_error: EBUSY if
    /// the ring has a producer, EINVAL for options that contradict themselves or the ring. The Context's packets keep
    /// the ring as their target even when the receiver has ended. So the ring must outlive the Context, the Context
    /// must outlive the receiver, and nothing else may produce into the ring before the Context is closed.
    RingReceiver(Context& ctx, const BlockRing& ring, const RingReceiverOptions& options = {});
    RingReceiver(RingReceiver&&) noexcept;
    RingReceiver& operator=(RingReceiver&&) noexcept;
    /// Flushes, and detaches from the ring.
    ~RingReceiver();

    /// Receives one batch into the ring. Returns the outcome as Queue::recv does; also `timeout` if packets are held
    /// because no block is free. If the queue went into error, it is recovered, and the packet at fault is counted as
    /// failed; queue_error and device_error are returned only if that did not work.
    Outcome step(std::chrono::nanoseconds timeout = no_timeout, std::stop_token stop = {}) noexcept;
    /// Calls step() until stop is requested or the device fails. Returns why it ended.
    Outcome run(std::stop_token stop) noexcept;
    /// Hands over all blocks as they are. Later packets go into the following slots, in a block with the same base.
    /// Returns false if a block, or a packet that is held, has to wait because no block is free (WhenFull::wait): call
    /// it again once step() has placed them.
    bool flush() noexcept;

    /// Returns the counters as of the last step(). Any thread may call it.
    RingStats stats() const noexcept;
    /// Returns the current state of the consumer. Asks the kernel.
    RingPeer consumer() const noexcept;

private:
    class State;
    std::unique_ptr<State> state_;
};

}  // namespace pktverbs
