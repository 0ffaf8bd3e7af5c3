// SPDX-License-Identifier: Apache-2.0
// The part of Nic that takes the frames which its link delivers.
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <span>

#include "net/internet_checksum.hpp"
#include "soft/nic/completion_queue.hpp"
#include "soft/nic/nic.hpp"
#include "soft/nic/queue_pair.hpp"
#include "soft/steering/frame_key.hpp"

namespace pktverbs::soft {

/// Frames on their way to queues, under the receive lock. Consecutive frames that are known to go to the same queue are
/// a run: it receives them together.
template <class Frame, bool can_wait>
class Nic::Arrivals {
public:
    static constexpr std::size_t most = 64;

    /// At most `most`.
    Arrivals(Nic& nic, std::span<const Frame> frames) noexcept
        : nic_{nic},
          lock_{nic.receive_mutex_},
          frames_{frames},
          longest_{nic.max_frame()},
          verifies_{nic.verify_checksums_},
          now_{nic.timestamp()} {}

    /// Returns how many were delivered or dropped. If frames can wait: up to the first that lacks a posted receive.
    std::size_t take() noexcept {
        std::size_t end = 0;
        for (;;) {
            const KnownFrames::Known* known;
            end = extend_run(end, known);
            if (!take_run(end) || end == frames_.size()) return taken_;
            if (known) {
                to_ = known->queue;
                to_queue_pair_ = known->queue_pair;
                tags_[0] = known->tag;
            } else {
                to_ = nullptr;
                if (!take_alone(received(frames_[end]))) return taken_;
                ++taken_;
            }
            ++end;
        }
    }

private:
    /// Returns the end of the run that reaches to `end` already. The frame there, if any, is for another: `known`, or
    /// null if it must be taken alone.
    std::size_t extend_run(std::size_t end, const KnownFrames::Known*& known) noexcept {
        const FlowTable& flows = nic_.flows_;
        const ReceiveQueue* const to = to_;
        const std::uint32_t longest = verifies_ ? 0 : longest_;
        const Frame* frame = frames_.data() + end;
        const Frame* const last = frames_.data() + frames_.size();
        std::uint32_t* tag = tags_.data() + (end - taken_);
        for (known = nullptr; frame != last; ++frame) {
            const RxFrame& arrived = received(*frame);
            known = arrived.length <= longest ? flows.recall({arrived.first_bytes(), arrived.length}) : nullptr;
            if (!known || known->queue != to) [[unlikely]]
                break;
            *tag++ = known->tag;
        }
        return static_cast<std::size_t>(frame - frames_.data());
    }

    /// The run, which ends at `end`. False: frames can wait, and one lacks a posted receive.
    bool take_run(std::size_t end) noexcept {
        const std::uint32_t* tag = tags_.data();
        while (taken_ != end) {
            const std::size_t count = to_->receive(frames_.subspan(taken_, end - taken_), tag, now_, writer_);
            taken_ += count;
            tag += count;
            if (taken_ == end) break;
            if (can_wait && to_->lacks_receive()) return false;
            put(*to_queue_pair_, *to_, own(received(frames_[taken_++])), *tag++);
        }
        return true;
    }

    /// The same frame where nobody else writes, until the next call.
    RxFrame own(RxFrame frame) noexcept {
        if (!frame.head) return frame;
        frame.copy(nic_.private_copy_.data());
        frame.data = nic_.private_copy_.data();
        frame.head = nullptr;
        return frame;
    }

    /// Not in a run. False as above.
    bool take_alone(RxFrame frame) noexcept {
        if (frame.length > longest_) {
            nic_.oversize_.add(1);
            return true;
        }
        frame = own(frame);
        const std::span bytes{frame.data, frame.length};
        if (verifies_ && !frame.checksum_ok) frame.checksum_ok = checksums_right(bytes);
        if (const auto* const known = verifies_ ? nic_.flows_.recall(bytes) : nullptr) {
            if (can_wait && known->queue->lacks_receive()) return false;
            put(*known->queue_pair, *known->queue, frame, known->tag);
            return true;
        }
        const FrameKey key = parse_frame(bytes);
        if (can_wait && !nic_.has_room(key)) return false;
        std::span<const Target> targets;
        const Verdict verdict = nic_.flows_.steer(key, frame.length, targets);
        if (verdict != Verdict::deliver) [[unlikely]] {
            nic_.count_dropped(verdict, key);
            return true;
        }
        if (targets.size() == 1) nic_.flows_.remember(bytes, targets[0], &targets[0].queue_pair->queue_for(key));
        for (const Target& target : targets)
            put(*target.queue_pair, target.queue_pair->queue_for(key), frame, target.tag);
        return true;
    }

    void put(QueuePair& queue_pair, ReceiveQueue& queue, RxFrame frame, std::uint32_t tag) noexcept {
        if (frame.timestamp_ns == 0) frame.timestamp_ns = now_;
        switch (queue_pair.receive(queue, frame, tag, writer_)) {
            case ReceiveQueue::Received::completed:
            case ReceiveQueue::Received::failed:
                break;
            case ReceiveQueue::Received::out_of_buffer:
                nic_.out_of_buffer_.add(1);
                break;
            case ReceiveQueue::Received::not_ready:
                nic_.not_ready_.add(1);
                break;
        }
    }

    Nic& nic_;
    const std::lock_guard<QuickMutex> lock_;
    const std::span<const Frame> frames_;
    const std::uint32_t longest_;
    const bool verifies_;
    const std::uint64_t now_;
    CompletionQueue::Writer writer_;
    std::size_t taken_ = 0;  ///< the run begins here
    ReceiveQueue* to_ = nullptr;
    QueuePair* to_queue_pair_ = nullptr;
    std::array<std::uint32_t, most> tags_;  ///< of the run
};

template <bool can_wait, class Frame>
std::size_t Nic::take(std::span<const Frame> frames) noexcept {
    std::size_t taken = 0;
    while (taken != frames.size()) {
        const auto next = frames.subspan(taken).first(std::min(frames.size() - taken, Arrivals<Frame, can_wait>::most));
        const std::size_t count = Arrivals<Frame, can_wait>{*this, next}.take();
        taken += count;
        if (count != next.size()) break;
    }
    return taken;
}

void Nic::deliver(std::span<const RxFrame> frames) noexcept { take<false>(frames); }

void Nic::deliver_sent(std::span<const TxFrame> frames) noexcept { take<false>(frames); }

std::size_t Nic::offer(std::span<const RxFrame> frames) noexcept { return take<true>(frames); }

/// Whether every queue that the frame would go to has a receive for it, or drops it for another reason.
bool Nic::has_room(const FrameKey& key) noexcept {
    std::span<const Target> targets;
    flows_.find_targets(key, targets);
    return std::ranges::none_of(
        targets, [&](const Target& target) { return target.queue_pair->queue_for(key).lacks_receive(); });
}

void Nic::count_dropped(Verdict verdict, const FrameKey& key) noexcept {
    if (verdict == Verdict::drop)
        by_rule_.add(1);
    else if ((key.flags & FrameKey::is_fragment) != 0 && flows_.misses(key))
        fragments_.add(1);
    else
        unmatched_.add(1);
}

}  // namespace pktverbs::soft
