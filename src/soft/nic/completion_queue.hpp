// SPDX-License-Identifier: Apache-2.0
// CompletionQueue: the soft device's ibv_cq, classic and extended.
#pragma once

#include <infiniband/verbs.h>

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>

#include "base/quick_mutex.hpp"
#include "soft/nic/async_events.hpp"
#include "soft/nic/completion.hpp"
#include "soft/nic/object_entry.hpp"

namespace pktverbs::soft {

class CompletionChannel;
class Nic;
struct Domain;

/// Its base is always the extended form; the classic one is the same in its first members.
class CompletionQueue final : public ibv_cq_ex {
public:
    static constexpr std::uint32_t max_entries = 1U << 20;

    /// The request of ibv_create_cq_ex.
    struct Extended {
        std::uint64_t wc_flags;
    };

    /// `entries` is rounded up to a power of two, as hardware does; without `extended`, a classic queue. `channel` and
    /// the parent domain may be null.
    CompletionQueue(Nic& nic, std::uint32_t entries, void* cq_context, CompletionChannel* channel, Domain* parent,
                    std::optional<Extended> extended);
    ~CompletionQueue();
    CompletionQueue(const CompletionQueue&) = delete;
    CompletionQueue& operator=(const CompletionQueue&) = delete;

    static CompletionQueue& of(ibv_cq* cq) noexcept {
        return *static_cast<CompletionQueue*>(reinterpret_cast<ibv_cq_ex*>(cq));
    }
    ibv_cq* base() noexcept { return reinterpret_cast<ibv_cq*>(static_cast<ibv_cq_ex*>(this)); }

    int poll(int count, ibv_wc* wcs) noexcept;
    int arm(bool solicited_only) noexcept;
    /// `entries` is rounded up as at creation; completions and the armed state stay. Returns 0; EINVAL if more
    /// completions are waiting, or it is out of range; ENOMEM.
    int resize(int entries) noexcept;
    /// Adds to the number of receive queues that complete here: without any, it ignores the link's frames.
    void count_receivers(int change) noexcept;
    /// Removes the queued completions of a queue that is reset or destroyed.
    void forget(const CompletionSource& source) noexcept;
    bool wants_timestamps() const noexcept { return wants_timestamps_; }

    /// Free places, one after the other in memory, that are to be filled and nothing else.
    class Places {
    public:
        std::uint32_t count() const noexcept { return count_; }
        Completion* completions() const noexcept { return completions_; }
        /// As many; null if the queue has none.
        CompletionDetails* details() const noexcept { return details_; }

    private:
        friend class CompletionQueue;
        Completion* completions_ = nullptr;
        CompletionDetails* details_ = nullptr;
        std::uint32_t count_ = 0;
    };

    /// Pushes completions, locking one queue at a time and only when it changes: one lock for a batch.
    class Writer {
    public:
        Writer() noexcept = default;
        Writer(const Writer&) = delete;
        Writer& operator=(const Writer&) = delete;
        ~Writer() {
            if (queue_) queue_->mutex_.unlock();
        }
        void push(CompletionQueue& queue, const Completion::Result& result, CompletionSource& source,
                  std::uint32_t reclaim, const CompletionDetails& details = {}) noexcept {
            hold(queue);
            queue.push(result, source, reclaim, details);
        }
        /// Of `queue`, until filled(). None, if push() has more to do: it must be called then.
        Places places(CompletionQueue& queue) noexcept {
            hold(queue);
            return queue.places();
        }
        /// The first `count` of them.
        void filled(std::uint32_t count) noexcept { queue_->tail_ = queue_->tail_ + count; }

    private:
        void hold(CompletionQueue& queue) noexcept {
            if (&queue != queue_) change(queue);
        }
        void change(CompletionQueue& queue) noexcept;
        CompletionQueue* queue_ = nullptr;
    };

    ObjectEntry object_entry;

    // For the channel, under its lock.
    CompletionQueue* next_with_events = nullptr;
    std::uint32_t pending_events = 0;
    std::uint32_t events_given = 0;

    // Under the lock of the NIC's events.
    PendingEvent error_event;
    std::uint32_t async_events_given = 0;

private:
    static constexpr std::uint32_t batch = 16;
    static constexpr std::uint32_t polls_per_work = 16;  ///< of those that find completions, but fewer than asked for

    enum class Armed : std::uint8_t { no, for_errors, for_any };

    /// A running number, written under mutex_, that a poller may read without it.
    class Index {
    public:
        operator std::uint32_t() const noexcept { return value_.load(std::memory_order_relaxed); }
        Index& operator=(std::uint32_t value) noexcept {
            value_.store(value, std::memory_order_relaxed);
            return *this;
        }

    private:
        std::atomic<std::uint32_t> value_{0};
    };

    /// Without mutex_: take() would find nothing. What another thread pushes just now is for the next poll.
    bool is_idle() const noexcept { return head_ == tail_ && !overrun_.load(std::memory_order_relaxed); }
    /// Under mutex_: whether frames that the link receives wake its channel.
    bool waits() const noexcept { return armed_ != Armed::no && receivers_ != 0; }
    Places places() noexcept;
    void push(const Completion::Result& result, CompletionSource& source, std::uint32_t reclaim,
              const CompletionDetails& details) noexcept;
    void overrun() noexcept;
    int take(int count, ibv_wc* wcs) noexcept;
    void install_readers() noexcept;
    int refill(std::uint32_t most) noexcept;
    int fetch() noexcept;

    Nic& nic_;
    CompletionChannel* channel_;
    bool extended_;
    bool wants_timestamps_;

    QuickMutex mutex_;  // everything from here to `overrun_`
    std::unique_ptr<Completion[]> ring_;
    std::unique_ptr<CompletionDetails[]> details_;  ///< null for a classic queue
    std::uint32_t mask_;
    Index head_;
    Index tail_;
    std::atomic<Armed> armed_{Armed::no};
    int receivers_ = 0;
    std::atomic<bool> overrun_{false};
    Index quick_polls_;  ///< that did not ask the link; about, with several pollers

    // For the extended interface: held from start_poll to end_poll. Completions are fetched only then: copies of the
    // ring's first ones, which stay there until they have been polled.
    QuickMutex poll_mutex_;
    struct Fetched {
        Completion completion;
        CompletionDetails details;
    };
    static const Fetched& current_of(ibv_cq_ex* cq) noexcept { return *static_cast<CompletionQueue*>(cq)->current_; }
    std::array<Fetched, batch> fetched_;
    const Fetched* current_ = fetched_.data();  ///< what the reading functions read
    std::uint32_t fetched_count_ = 0;
    std::uint32_t fetched_next_ = 0;
};

}  // namespace pktverbs::soft
