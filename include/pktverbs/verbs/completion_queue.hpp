// SPDX-License-Identifier: Apache-2.0
// CompletionQueue: where finished work requests are reported, classic or extended.
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

struct CompletionQueueOptions {
    /// Entries. What is granted may be more; see capacity(). More completions than that at once break the queue.
    std::uint32_t entries = 256;
    /// Where events go; none: the queue can only be polled.
    std::optional<CompletionChannel> channel = {};
    /// Handed out with each event.
    void* context = nullptr;
    /// Spreads interrupts: 0 to ibv_context::num_comp_vectors - 1.
    int comp_vector = 0;
    /// Ask for an extended queue, which has timestamps; where the device cannot make one or it cannot be polled
    /// (OpenDevice::extended_polling_works), the queue is a classic one: is_extended() tells.
    bool extended = false;
};

/// A shared handle: copies are the same queue, which lives until the last copy and the last queue pair on it have
/// gone. One thread at a time polls an extended queue; any number poll a classic one.
class PKTVERBS_EXPORT CompletionQueue {
public:
    /// Throws std::system_error.
    explicit CompletionQueue(const OpenDevice& device, const CompletionQueueOptions& options = {});

    const OpenDevice& device() const noexcept;
    bool is_extended() const noexcept;
    std::uint32_t capacity() const noexcept;
    /// Throws std::system_error: EINVAL for fewer entries than are waiting in the queue.
    void resize(std::uint32_t entries);

    /// Takes at most `most` completions and calls visit(const Completion&) for each; returns how many there were. They
    /// are off the queue before the first visit, so a visit may poll. Doesn't throw by itself.
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
    std::optional<Completion> poll_one() {
        std::optional<Completion> completion;
        poll(1, [&](const Completion& one) { completion = one; });
        return completion;
    }
    /// The errno with which the device refused to poll, or 0. Stays.
    int error() const noexcept;

    /// Asks for one event on the channel at the next completion, or only at the next solicited or failed one. Poll
    /// again afterwards: what came before makes no event. Throws std::system_error.
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
