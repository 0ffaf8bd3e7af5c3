// SPDX-License-Identifier: Apache-2.0
// Completions: the completion queue of one side of a queue, with its channel.
#pragma once

#include <infiniband/verbs.h>

#include <atomic>
#include <cstdint>
#include <string_view>

#include <pktverbs/verbs/handle.hpp>

#include "verbs/completion_objects.hpp"
#include "verbs/event_count.hpp"
#include "verbs/port.hpp"

namespace pktverbs {

class Completions {
public:
    explicit Completions(const verbs::Provider& provider) noexcept : provider_{provider} {}

    /// Makes the channel. Throws std::system_error.
    void open_channel(const verbs::Port& port) { channel_ = verbs::make_completion_channel(port); }
    /// Makes a plain queue on the channel. Throws std::system_error.
    void open(const verbs::Port& port, std::uint32_t entries, std::uint32_t comp_vector, std::string_view what);
    /// Makes an extended queue on the channel, with these IBV_WC_EX_* flags. Returns false if the device has none with
    /// them. Throws std::system_error.
    bool open_extended(const verbs::Port& port, std::uint32_t entries, std::uint32_t comp_vector, std::uint64_t flags,
                       std::string_view what);
    /// Destroys the queue; the channel stays until close_channel().
    void close() noexcept;
    void close_channel() noexcept { channel_.reset(); }

    explicit operator bool() const noexcept { return static_cast<bool>(queue_); }
    ibv_cq* queue() const noexcept { return queue_.get(); }
    /// The same as queue(), if it is an extended one.
    ibv_cq_ex* extended() const noexcept { return extended_; }
    /// The channel's descriptor.
    int fd() const noexcept { return channel_->fd; }

    /// Requests an event for the next completion. On failure it sets error().
    bool request_event() noexcept {
        const int result = ibv_req_notify_cq(queue_.get(), 0);
        if (result != 0) fail(result);
        return result == 0;
    }
    /// Takes the events off the channel. Sets error() if the device was removed.
    void take_events() noexcept;

    /// The errno with which the device refused to poll, arm or wait; 0 if it did not.
    int error() const noexcept { return error_.load(std::memory_order_relaxed); }
    void set_error(int error) noexcept { error_ = error; }
    /// Sets error() by the result of a data path verb.
    void fail(int result) noexcept { error_ = verbs::errno_of(result); }

private:
    const verbs::Provider& provider_;
    verbs::CompChannelHandle channel_;
    verbs::CqHandle queue_;
    ibv_cq_ex* extended_ = nullptr;
    verbs::EventCount events_;
    std::atomic<int> error_{0};
};

}  // namespace pktverbs
