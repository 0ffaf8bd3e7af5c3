// SPDX-License-Identifier: Apache-2.0
// ReceiveQueue: the receive side of a queue pair, or all of a work queue.
#pragma once

#include <infiniband/verbs.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "base/quick_mutex.hpp"
#include "soft/link/link.hpp"
#include "soft/nic/completion_queue.hpp"
#include "soft/nic/memory_regions.hpp"
#include "soft/steering/known_frames.hpp"

namespace pktverbs::soft {

class Nic;

/// Receives are posted under its own lock, and taken from the ring only under the NIC's receive lock.
class ReceiveQueue {
public:
    static constexpr std::uint32_t max_wr = 32768;
    static constexpr std::uint32_t max_sge = 16;

    enum class State : std::uint8_t {
        reset,    ///< nothing may be posted
        filling,  ///< receives may be posted, but nothing is received
        ready,
        error,  ///< posted receives complete as flushed
    };
    /// Changes to frames on their way to memory.
    struct Offloads {
        bool strip_vlan = false;   ///< removes the outermost tag, if it is 802.1Q's; the completion reports it
        bool scatter_fcs = false;  ///< appends the frame check sequence
        bool operator==(const Offloads&) const = default;
    };
    /// The outcome of a frame.
    enum class Received : std::uint8_t {
        completed,
        failed,  ///< completed with an error: the queue is now in the error state
        out_of_buffer,
        not_ready,
    };

    /// `completions` may be null if no receive is ever posted.
    ReceiveQueue(Nic& nic, const ibv_pd* domain, CompletionQueue* completions, std::uint32_t depth, std::uint32_t sges,
                 std::uint32_t number);
    ~ReceiveQueue();
    ReceiveQueue(const ReceiveQueue&) = delete;
    ReceiveQueue& operator=(const ReceiveQueue&) = delete;

    /// As ibv_post_recv(3).
    int post(ibv_recv_wr* wr, ibv_recv_wr** bad_wr) noexcept;
    /// A frame without a head. Under the NIC's receive lock.
    Received receive(const RxFrame& frame, std::uint32_t flow_tag, CompletionQueue::Writer& writer) noexcept;
    /// What frames of a run have in common.
    struct Arrival {
        std::uint32_t longest;  ///< bytes
        std::uint64_t now;      ///< the timestamp of those that have none
    };
    /// The same for consecutive frames, as long as they are known to be for this queue, each is completed, and nothing
    /// else happens. Takes them from their source, and returns how many: the next one needs the other function. In
    /// receive_run.hpp.
    template <class Source>
    std::uint32_t receive(Source& source, KnownFrames::Reader known_frames, const Arrival& arrival,
                          CompletionQueue::Writer& writer) noexcept;

    /// Whether receive() would return out_of_buffer. Under the NIC's receive lock.
    bool lacks_receive() const noexcept {
        return state() == State::ready && done_ == posted_.load(std::memory_order_acquire);
    }

    /// Under the NIC's receive lock.
    Offloads offloads() const noexcept { return offloads_; }
    void set_offloads(Offloads offloads) noexcept { offloads_ = offloads; }

    State state() const noexcept { return state_.load(std::memory_order_relaxed); }
    /// Under the NIC's receive lock. Flushes posted receives.
    void enter_error(CompletionQueue::Writer& writer) noexcept;
    /// Under the posting lock and the NIC's receive lock.
    void change(State to) noexcept;
    /// Removes its completions, after a change to reset. Called without its locks: a thread between start_poll and
    /// end_poll holds the completion queue and may be waiting for them.
    void forget() noexcept;

    /// Held while receives are posted.
    QuickMutex& post_mutex() noexcept { return post_mutex_; }
    CompletionQueue* completions() noexcept { return completions_; }

private:
    // Followed by room for the granted number of scatter elements.
    struct Entry {
        std::uint64_t wr_id;
        std::uint64_t sge_count;
        ibv_sge* sges() noexcept { return reinterpret_cast<ibv_sge*>(this + 1); }
        const ibv_sge* sges() const noexcept { return reinterpret_cast<const ibv_sge*>(this + 1); }
    };
    /// Writes a frame to the memory of a receive, piece by piece.
    class Scatter {
    public:
        Scatter(MemoryRegions::Last& memory, const Entry& entry) noexcept
            : memory_{memory}, sge_{entry.sges()}, end_{sge_ + entry.sge_count} {}
        /// False, with a status, if the memory is too short or the queue may not write it.
        bool put(const std::uint8_t* from, std::uint32_t left, ibv_wc_status& status) noexcept;
        bool put(const RxFrame& frame) noexcept;

    private:
        MemoryRegions::Last& memory_;
        const ibv_sge* sge_;
        const ibv_sge* end_;
        std::uint32_t used_ = 0;  // in *sge_
    };

    Entry& entry(std::uint32_t index) noexcept {
        return *reinterpret_cast<Entry*>(&ring_[(index & (depth_ - 1)) * stride_]);
    }
    Entry* after(Entry* entry) noexcept {
        std::byte* const next = reinterpret_cast<std::byte*>(entry) + stride_;
        return reinterpret_cast<Entry*>(next == ring_end_ ? ring_.get() : next);
    }
    static Completion::Result result_of(const Entry& entry, const RxFrame& frame) noexcept {
        return {.wr_id = entry.wr_id,
                .byte_len = frame.length,
                .opcode = IBV_WC_RECV,
                .flags = frame.checksum_ok ? unsigned{IBV_WC_IP_CSUM_OK} : 0};
    }
    /// Not inlined: then a frame's address is taken nowhere where frames are many.
    [[gnu::noinline]] static bool scatter(MemoryRegions::Last& memory, const Entry& entry, RxFrame frame) noexcept {
        return Scatter{memory, entry}.put(frame);
    }
    bool scatter_offloaded(Scatter& scatter, const RxFrame& frame, Completion::Result& result,
                           CompletionDetails& details) const noexcept;
    void flush(CompletionQueue::Writer& writer) noexcept;

    Nic& nic_;
    const MemoryRegions& regions_;
    std::uint32_t domain_;  ///< its handle
    CompletionQueue* completions_;
    CompletionSource source_;
    std::atomic<State> state_{State::reset};
    Offloads offloads_;  // under the NIC's receive lock

    // Ring indexes are free-running; posted - reclaimed counts against the depth.
    QuickMutex post_mutex_;
    std::uint32_t depth_;
    std::uint32_t max_sge_;
    std::size_t stride_;
    std::unique_ptr<std::byte[]> ring_;
    std::byte* ring_end_;
    std::atomic<std::uint32_t> posted_{0};
    std::uint32_t done_ = 0;  // under the NIC's receive lock
};

}  // namespace pktverbs::soft
