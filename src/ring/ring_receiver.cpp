// SPDX-License-Identifier: Apache-2.0
#include <pktverbs/ring/ring_receiver.hpp>

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <system_error>
#include <utility>

#include <pktverbs/ring/sequence_reader.hpp>
#include <pktverbs/ring/sequence_tracker.hpp>
#include <pktverbs/verbs/error.hpp>

#include "base/deadline.hpp"
#include "ring/block_placer.hpp"
#include "ring/landing.hpp"
#include "ring/receiver_clock.hpp"

namespace pktverbs {

namespace {

using Clock = ReceiverClock;
using Verdict = SequenceTracker::Verdict;

[[noreturn]] void refuse_option(const std::string& why) {
    verbs::throw_message(EINVAL, fmt::format("cannot receive into a ring: {}", why));
}

Queue& queue_of(Context& ctx, std::size_t index) {
    if (index >= ctx.queue_count()) refuse_option(fmt::format("queue {} of {}", index, ctx.queue_count()));
    if (ctx.limits().recv_packets == 0) refuse_option("the context was opened to send only");
    return ctx.queue(index);
}

std::uint32_t slot_bytes(const RingGeometry& geometry) { return geometry.header_bytes + geometry.payload_bytes; }

std::optional<SequenceReader> make_reader(const RingReceiverOptions& options, const RingGeometry& geometry) {
    if (!options.sequence) return {};
    return SequenceReader{*options.sequence, geometry.header_bytes, slot_bytes(geometry)};
}

const RingReceiverOptions& checked(const RingReceiverOptions& options) {
    if (!options.sequence) return options;
    const SequenceField& field = *options.sequence;
    field.check();
    if (options.reorder_window > field.max_number() / field.divisor / 2)
        refuse_option(fmt::format("reorder_window {} is more than half of what the sequence field can hold",
                                  options.reorder_window));
    if (options.jump_limit < options.reorder_window || options.jump_limit == 0)
        refuse_option(fmt::format("jump_limit {} is less than reorder_window {}, or 0", options.jump_limit,
                                  options.reorder_window));
    return options;
}

constexpr std::uint64_t blocks_per_look = 64;

}  // namespace

std::chrono::steady_clock::time_point (*ReceiverClock::source)() noexcept = &std::chrono::steady_clock::now;

class RingReceiver::State {
public:
    State(Context& ctx, const BlockRing& ring, const RingReceiverOptions& options)
        : queue_{queue_of(ctx, options.queue)},
          options_{checked(options)},
          packets_{queue_.limits().recv_packets},
          slot_bytes_{slot_bytes(ring.geometry())},
          reader_{make_reader(options, ring.geometry())},
          placer_{ring, options, packets_},
          landing_{placer_.writer().view(), ctx.add_region(ring.memory()).raw().lkey},
          tracker_{options.sequence.value_or(SequenceField{}), options.jump_limit} {}
    ~State() { placer_.flush(); }
    State(const State&) = delete;
    State& operator=(const State&) = delete;

    Outcome step(std::chrono::nanoseconds timeout, const std::stop_token& stop) noexcept {
        const Outcome outcome = do_step(timeout, stop);
        if (outcome != Outcome::packets || placer_.stats.blocks - looked_at_block_ >= blocks_per_look) {
            looked_at_block_ = placer_.stats.blocks;
            placer_.writer().consumer();  // cleans up after one that died
        }
        publish();
        return outcome;
    }
    bool flush() noexcept {
        const bool done = placer_.flush();
        publish();
        return done && held_.empty();
    }
    RingStats stats() const noexcept {
        Words words;
        for (std::size_t i = 0; i < words.size(); ++i) words[i] = published_[i].load(std::memory_order_relaxed);
        return std::bit_cast<RingStats>(words);
    }
    RingPeer consumer() const noexcept { return placer_.writer().consumer(); }

private:
    using Words = std::array<std::uint64_t, sizeof(RingStats) / sizeof(std::uint64_t)>;
    static_assert(sizeof(Words) == sizeof(RingStats));

    Outcome do_step(std::chrono::nanoseconds timeout, const std::stop_token& stop) noexcept {
        const auto left = left_to_hand_over();
        if (left <= std::chrono::nanoseconds::zero()) hand_over();
        timeout = std::min(timeout, std::max(left, std::chrono::nanoseconds::zero()));
        if (held_.empty()) {
            held_ = queue_.recv(timeout, stop);
            if (held_.outcome() == Outcome::queue_error) return recover();
            if (held_.outcome() == Outcome::timeout && left_to_hand_over() <= std::chrono::nanoseconds::zero())
                hand_over();
            if (held_.outcome() != Outcome::packets) return held_.outcome();
        } else if (!placer_.writer().wait_for_free(timeout, stop)) {
            return stop.stop_requested() ? Outcome::stopped : Outcome::timeout;
        }
        const std::uint64_t blocks = placer_.stats.blocks;
        take_held();
        if (placer_.stats.blocks != blocks) waiting_since_.reset();
        return Outcome::packets;
    }

    /// The time until blocks must be handed over as they are.
    std::chrono::nanoseconds left_to_hand_over() noexcept {
        if (options_.hand_over_after == no_timeout) return no_timeout;
        if (!placer_.has_packets()) {
            waiting_since_.reset();
            return no_timeout;
        }
        const auto now = Clock::now();
        if (!waiting_since_) waiting_since_ = now;
        return options_.hand_over_after - (now - *waiting_since_);
    }
    void hand_over() noexcept {
        placer_.flush();
        waiting_since_.reset();
    }

    Outcome recover() noexcept {
        try {
            queue_.recover();
        } catch (const std::exception&) {
            return Outcome::queue_error;
        }
        ++placer_.stats.recoveries;
        return Outcome::packets;
    }

    /// Places all packets, or those before the first that has to wait, and gives them back to the NIC.
    void take_held() noexcept {
        placer_.begin_batch();
        std::size_t taken = 0;
        for (auto pkt = held_.begin(); pkt != held_.end(); ++pkt, ++taken) {
            taken += take_runs(pkt);
            if (pkt == held_.end() || !take(*pkt)) break;
        }
        placer_.end_batch();
        RecvList done;
        if (taken == held_.size()) {
            done = std::move(held_);
            held_ = {};
        } else {
            ++placer_.stats.waits;
            for (; taken != 0; --taken) done.append(held_.pop_front());
        }
        if (landing_.is_aimed()) landing_.aim(done, placer_, packets_ - done.size() - held_.size());
    }

    /// Takes packets as long as they have the next number and are in its slot, or can be copied there: the same as
    /// take() for each, at less cost. Returns how many.
    std::uint32_t take_runs(RecvList::iterator& pkt) noexcept {
        std::uint32_t taken = 0;
        while (pkt != held_.end() && !must_restart_) {
            if (placer_.run().left == 0 && !placer_.next_run()) break;
            if (placer_.run().next != (reader_ ? tracker_.next_sequence() : arrived_)) break;
            const std::uint32_t count = landing_.is_aimed()
                                            ? reader_ ? take_run<true, true>(pkt) : take_run<false, true>(pkt)
                                        : reader_ ? take_run<true, false>(pkt)
                                                  : take_run<false, false>(pkt);
            if (count == 0) break;
            placer_.continue_run(count, run_bytes_);
            tracker_.skip(count);
            arrived_ += count;
            taken += count;
        }
        return taken;
    }

    /// Takes packets of one block. Leaves the sum of their lengths in run_bytes_.
    template <bool numbered, bool aimed>
    std::uint32_t take_run(RecvList::iterator& at) noexcept {
        const BlockPlacer::Run& run = placer_.run();
        // Copies, which the stores below can't change.
        RingRecord<RingSlot>* info = run.infos;
        const std::uint64_t left = run.left;
        const std::size_t chunk = landing_.payload_chunk();
        const std::uint32_t most = slot_bytes_;
        const std::uint64_t stride = landing_.payload_stride();
        std::uint64_t payload = run.payload;
        const SequenceTracker tracker = tracker_;
        std::uint64_t value = tracker.next_value();
        std::uint64_t bytes = 0;
        std::uint32_t count = 0;
        RecvList::iterator pkt = at;
        for (const auto end = held_.end(); count < left && pkt != end; ++count, ++pkt) {
            const auto length = static_cast<std::uint32_t>(pkt->length());
            if (!pkt->ok() || length > most) [[unlikely]]
                break;
            const ibv_sge* const elements = pkt->raw()->sg_list;
            if (aimed ? elements[chunk].addr != payload : length > pkt->target(0).size()) [[unlikely]]
                break;
            if constexpr (numbered) {
                std::uint64_t number = 0;
                const bool has_number =
                    aimed ? reader_->read(at_address(elements[0].addr), at_address(payload), length, number)
                          : read_number(*pkt, length, number);
                if (!has_number || tracker.value_of(number) != value) break;
                value = tracker.value_after(value);
            }
            if constexpr (!aimed)
                placer_.copy({run.at.block, run.at.slot + count}, landing_.bytes_of(*pkt, false),
                             landing_.bytes_of(*pkt, true), length);
            *info++ = {length, IBV_WC_SUCCESS, static_cast<std::uint64_t>(pkt->timestamp().count())};
            bytes += length;
            payload += stride;
        }
        at = pkt;
        run_bytes_ = bytes;
        return count;
    }

    static const std::uint8_t* at_address(std::uint64_t address) noexcept {
        return reinterpret_cast<const std::uint8_t*>(address);
    }
    /// False for a packet without a number.
    bool read_number(const RecvPkt& pkt, std::uint32_t length, std::uint64_t& number) noexcept {
        return reader_->read(landing_.bytes_of(pkt, false), landing_.bytes_of(pkt, true), length, number);
    }

    /// False if it has to wait for a free block.
    bool take(RecvPkt& pkt) noexcept {
        RingStats& stats = placer_.stats;
        const RingSlot info{static_cast<std::uint32_t>(pkt.length()), static_cast<std::uint32_t>(pkt.status()),
                            static_cast<std::uint64_t>(pkt.timestamp().count())};
        if (info.status != IBV_WC_SUCCESS) [[unlikely]]
            return drop(pkt, info, stats.failed);
        if (info.length > slot_bytes_ || !landing_.is_in_one_piece(pkt, info.length)) [[unlikely]]
            return drop(pkt, info, stats.too_long);
        std::uint64_t sequence = arrived_;
        std::uint64_t number = 0;
        if (reader_) {
            if (!read_number(pkt, info.length, number)) [[unlikely]]
                return drop(pkt, info, stats.not_matching);
            const auto [verdict, found] = tracker_.next(number);
            sequence = found;
            if (verdict != Verdict::in_sequence) [[unlikely]] {
                if (verdict == Verdict::wild) return drop(pkt, info, stats.wild);
                if (verdict == Verdict::not_matching) return drop(pkt, info, stats.not_matching);
                must_restart_ = must_restart_ || verdict == Verdict::restarted;
            }
        }
        const BlockPlacer::Packet packet = landing_.look(pkt, info);
        if (must_restart_) [[unlikely]] {
            if (!placer_.restart()) return false;
            must_restart_ = false;
        }
        switch (placer_.place(sequence, packet)) {
            case BlockPlacer::Placed::placed:
                ++arrived_;
                return true;
            case BlockPlacer::Placed::duplicate:
                return drop(packet, stats.duplicate);
            case BlockPlacer::Placed::late:
                return take_late(packet, number);
            case BlockPlacer::Placed::no_block:
                break;
        }
        if (options_.when_full == WhenFull::wait) return false;
        // In order of arrival, the next packet takes its number: no gap is visible, only the count.
        return drop(packet, stats.no_block);
    }

    bool take_late(const BlockPlacer::Packet& packet, std::uint64_t number) noexcept {
        const auto [verdict, sequence] = tracker_.late(number);
        if (verdict != Verdict::restarted) return drop(packet, placer_.stats.late);
        must_restart_ = true;
        if (!placer_.restart()) return false;
        must_restart_ = false;
        if (placer_.place(sequence, packet) == BlockPlacer::Placed::placed) return true;
        if (options_.when_full == WhenFull::wait) return false;
        return drop(packet, placer_.stats.no_block);
    }

    bool drop(const BlockPlacer::Packet& packet, std::uint64_t& count) noexcept {
        ++count;
        placer_.vacate(packet.landed);
        return true;
    }
    bool drop(RecvPkt& pkt, const RingSlot& info, std::uint64_t& count) noexcept {
        return drop(landing_.look(pkt, info), count);
    }

    void publish() noexcept {
        placer_.stats.consumer_deaths = placer_.writer().consumer_deaths();
        const auto* const stats = reinterpret_cast<const unsigned char*>(&placer_.stats);
        for (std::size_t i = 0; i < published_.size(); ++i) {
            std::uint64_t word;
            std::memcpy(&word, stats + i * sizeof word, sizeof word);
            published_[i].store(word, std::memory_order_relaxed);
        }
    }

    Queue& queue_;
    RingReceiverOptions options_;
    const std::uint32_t packets_;
    const std::uint32_t slot_bytes_;
    std::optional<SequenceReader> reader_;  ///< if packets are placed by number
    BlockPlacer placer_;
    Landing landing_;
    SequenceTracker tracker_;
    std::uint64_t run_bytes_ = 0;
    bool must_restart_ = false;
    std::uint64_t arrived_ = 0;
    RecvList held_;  ///< packets for which no block was free
    std::optional<Clock::time_point> waiting_since_;
    std::uint64_t looked_at_block_ = 0;
    std::array<std::atomic<std::uint64_t>, std::tuple_size_v<Words>> published_{};
};

RingReceiver::RingReceiver(Context& ctx, const BlockRing& ring, const RingReceiverOptions& options)
    : state_{std::make_unique<State>(ctx, ring, options)} {}
RingReceiver::RingReceiver(RingReceiver&&) noexcept = default;
RingReceiver& RingReceiver::operator=(RingReceiver&&) noexcept = default;
RingReceiver::~RingReceiver() = default;

Outcome RingReceiver::step(std::chrono::nanoseconds timeout, std::stop_token stop) noexcept {
    return state_->step(timeout, stop);
}

Outcome RingReceiver::run(std::stop_token stop) noexcept {
    for (;;) {
        const Outcome outcome = step(no_timeout, stop);
        if (outcome != Outcome::packets && outcome != Outcome::timeout) return outcome;
    }
}

bool RingReceiver::flush() noexcept { return state_->flush(); }
RingStats RingReceiver::stats() const noexcept { return state_->stats(); }
RingPeer RingReceiver::consumer() const noexcept { return state_->consumer(); }

std::string_view to_string(WhenFull policy) noexcept {
    switch (policy) {
        case WhenFull::drop:
            return "drop";
        case WhenFull::wait:
            return "wait";
        case WhenFull::overwrite:
            return "overwrite";
    }
    return "?";
}

}  // namespace pktverbs
