// SPDX-License-Identifier: Apache-2.0
// The part of Nic that takes the frames which its link delivers.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <span>

#include "net/internet_checksum.hpp"
#include "soft/nic/completion_queue.hpp"
#include "soft/nic/nic.hpp"
#include "soft/nic/plain_sends.hpp"
#include "soft/nic/queue_pair.hpp"
#include "soft/nic/receive_run.hpp"
#include "soft/steering/frame_key.hpp"

namespace pktverbs::soft {

namespace {

/// Frames of a link.
class ReceivedFrames {
public:
    explicit ReceivedFrames(std::span<const RxFrame> frames) noexcept : begin_{frames.data()}, left_{frames} {}

    using Position = const RxFrame*;
    Position position() const noexcept { return left_.data(); }
    std::uint32_t left() const noexcept { return static_cast<std::uint32_t>(left_.size()); }
    bool ready() const noexcept { return !left_.empty(); }
    static const RxFrame& frame(Position at) noexcept { return *at; }
    static void pass(Position& at, std::uint32_t) noexcept { ++at; }
    void take_until(Position at) noexcept { left_ = left_.subspan(static_cast<std::size_t>(at - left_.data())); }
    std::size_t taken() const noexcept { return static_cast<std::size_t>(left_.data() - begin_); }

private:
    const RxFrame* const begin_;
    std::span<const RxFrame> left_;
};

}  // namespace

/// Frames on their way from their source to queues, under the receive lock. Consecutive ones that are known to go to
/// the same queue are a run.
template <class Source, bool can_wait>
class Nic::Arrivals {
public:
    Arrivals(Nic& nic, Source& source) noexcept
        : nic_{nic},
          lock_{nic.receive_mutex_},
          source_{source},
          longest_{nic.max_frame()},
          verifies_{nic.verify_checksums_},
          now_{nic.timestamp()} {}

    /// Delivers or drops them. If frames can wait: up to the first that lacks a posted receive.
    void take() noexcept {
        const ReceiveQueue::Arrival arrival{.longest = verifies_ ? 0 : longest_, .now = now_};
        const KnownFrames::Reader known_frames = nic_.flows_.reader();
        while (source_.ready()) {
            auto at = source_.position();
            const RxFrame& frame = source_.frame(at);
            const KnownFrames::Known* known = nullptr;
            if (frame.length <= arrival.longest) known = nic_.flows_.recall(head_of(frame));
            if (known && known->queue->receive(source_, known_frames, arrival, writer_) != 0) [[likely]]
                continue;
            if (!(known ? take_known(*known, frame) : take_alone(frame))) return;
            source_.pass(at, frame.length);
            source_.take_until(at);
        }
    }

private:
    /// The same frame where nobody else writes, until the next call.
    RxFrame own(RxFrame frame) noexcept {
        if (!frame.head) return frame;
        frame.copy(nic_.private_copy_.data());
        frame.data = nic_.private_copy_.data();
        frame.head = nullptr;
        return frame;
    }

    /// Not in a run. False: the frame can wait, and there is no receive for it.
    bool take_known(const KnownFrames::Known& known, const RxFrame& frame) noexcept {
        if (can_wait && known.queue->lacks_receive()) return false;
        put(*known.queue_pair, *known.queue, own(frame), known.tag);
        return true;
    }

    /// The same for a frame that is not known.
    bool take_alone(RxFrame frame) noexcept {
        if (frame.length > longest_) {
            nic_.oversize_.add(1);
            return true;
        }
        frame = own(frame);
        const std::span bytes{frame.data, frame.length};
        if (verifies_ && !frame.checksum_ok) frame.checksum_ok = checksums_right(bytes);
        if (const auto* const known = verifies_ ? nic_.flows_.recall(bytes) : nullptr) return take_known(*known, frame);
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
    Source& source_;
    const std::uint32_t longest_;
    const bool verifies_;
    const std::uint64_t now_;
    CompletionQueue::Writer writer_;
};

void Nic::deliver(std::span<const RxFrame> frames) noexcept {
    ReceivedFrames received{frames};
    Arrivals<ReceivedFrames, false>{*this, received}.take();
}

std::uint32_t Nic::deliver_sent(PlainSends& sends) noexcept {
    Arrivals<PlainSends, false>{*this, sends}.take();
    return sends.taken();
}

std::size_t Nic::offer(std::span<const RxFrame> frames) noexcept {
    ReceivedFrames received{frames};
    Arrivals<ReceivedFrames, true>{*this, received}.take();
    return received.taken();
}

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
