// SPDX-License-Identifier: Apache-2.0
// CompletionQueue: a queue of completions, classic or extended.
#pragma once

#include <infiniband/verbs.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>

#include <pktverbs/export.hpp>
#include <pktverbs/verbs/completion.hpp>
#include <pktverbs/verbs/completion_channel.hpp>
#include <pktverbs/verbs/open_device.hpp>

namespace pktverbs::verbs {

/// Selects the size, the events and the kind of a completion queue.
struct CompletionQueueOptions {
    /// Entries. The device may grant more; see capacity(). More completions than that at once break the queue.
    std::uint32_t entries = 256;
    /// The channel to report events on; nullopt: the queue can only be polled.
    std::optional<CompletionChannel> channel = {};
    /// A pointer that comes with each event.
    void* context = nullptr;
    /// The interrupt vector, 0 to ibv_context::num_comp_vectors - 1, to spread interrupts.
    int comp_vector = 0;
    /// Ask for an extended queue, which has timestamps. If the device can't make one, or if it can't be polled
    /// (OpenDevice::extended_polling_works), the queue is a classic one; see is_extended().
    bool extended = false;
};

/// Collects the completions of work requests.
///
/// A shared handle: copies are the same queue, which lives until its last copy and the last queue pair using it have
/// ended. One thread at a time polls an extended queue; any number poll a classic one.
class PKTVERBS_EXPORT CompletionQueue {
public:
    /// Creates a queue. Throws std::system_error.
    explicit CompletionQueue(const OpenDevice& device, const CompletionQueueOptions& options = {});

    /// Returns the device it belongs to.
    const OpenDevice& device() const noexcept;
    /// Whether it is an extended queue.
    bool is_extended() const noexcept;
    /// Returns how many completions it has room for.
    std::uint32_t capacity() const noexcept;
    /// Changes the number of entries. Throws std::system_error: EINVAL for fewer entries than completions are waiting.
    void resize(std::uint32_t entries);

    /// Takes at most `most` completions, calls visit(const Completion&) for each and returns their number. They have
    /// left the queue before the first visit, so a visit may poll. Throws nothing but what visit throws.
    template <class Visit>
    std::size_t poll(std::size_t most, Visit&& visit) {
        std::array<ibv_wc, batch_size> wcs;
        std::array<std::uint64_t, batch_size> ticks;
        std::size_t total = 0;
        while (total < most) {
            const std::size_t want = std::min(most - total, batch_size);
            const std::size_t got = take(wcs.data(), ticks.data(), want);
            for (std::size_t i = 0; i < got; ++i) {
                const Completion completion{wcs[i], ticks[i]};
                visit(completion);
            }
            total += got;
            if (got < want) break;
        }
        return total;
    }
    /// Takes one completion; nullopt if there is none.
    std::optional<Completion> poll_one() {
        std::optional<Completion> completion;
        poll(1, [&](const Completion& one) { completion = one; });
        return completion;
    }
    /// Returns the errno with which the device refused to poll, or 0. It stays.
    int error() const noexcept;

    /// Requests one event on the channel, at the next completion or only at the next solicited or failed one. Poll
    /// again afterwards: completions from before cause no event. Throws std::system_error.
    void arm(bool only_solicited = false);

    ibv_cq* raw() const noexcept;

private:
    friend class CompletionChannel;
    struct State;
    static constexpr std::size_t batch_size = 32;
    std::size_t take(ibv_wc* wcs, std::uint64_t* ticks, std::size_t most) noexcept;

    std::shared_ptr<State> state_;
};

}  // namespace pktverbs::verbs
