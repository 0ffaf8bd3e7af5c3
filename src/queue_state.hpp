// SPDX-License-Identifier: Apache-2.0
// Queue::State: what a queue owns, by side: receiving, sending, and both.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <mutex>

#include <pktverbs/memory.hpp>
#include <pktverbs/queue.hpp>
#include <pktverbs/verbs/error.hpp>
#include <pktverbs/verbs/handle.hpp>

#include "counter.hpp"
#include "file_descriptor.hpp"
#include "side_guard.hpp"

namespace pktverbs {

/// Members stand in creation order: memory outlives its registration, completion queues outlive the
/// queue pair. close() takes the verbs objects down and leaves the memory.
struct __attribute__((visibility("hidden"))) Queue::State {
    /// Makes the queue pair and brings it to work, with every receive packet posted.
    State(Core& core, const Options& options, const ibv_device_attr& device, std::uint64_t clock_khz);
    ~State() { close(); }

    /// From now on packets that come back go to Core::packets_returned(); those on their way to the NIC get there
    /// first.
    void stop_releases() noexcept;
    void close() noexcept;
    /// Packets in lists of the user.
    std::uint32_t held() const noexcept;

    Core& core;
    Limits limits;
    WaitMode wait_mode;
    std::chrono::nanoseconds spin;
    std::uint64_t clock_khz;  ///< of the device's timestamps; 0 without
    bool default_batch;
    std::atomic<bool> in_error{false};
    std::atomic<int> error{0};       ///< of the device when it was polled, armed or waited for, receiving
    std::atomic<int> send_error{0};  ///< and sending
    std::atomic<bool> closed{false};
    std::atomic<std::uint32_t> releasing{0};  ///< threads that are giving packets back

    FileDescriptor wake;  ///< an eventfd, for stop requests
    verbs::CompChannelHandle recv_channel;
    verbs::CqHandle recv_cq;
    ibv_cq_ex* recv_cq_ex = nullptr;  ///< the same as recv_cq, where it is an extended one
    Memory recv_buffers;
    verbs::MrHandle recv_mr;
    Memory recv_packets;
    verbs::CompChannelHandle send_channel;
    verbs::CqHandle send_cq;
    Memory send_buffers;
    verbs::MrHandle send_mr;
    Memory send_packets;
    verbs::QpHandle qp;

    // Receiving: one thread, but for what is atomic or under the mutex.
    Side recv_side{"receive"};
    std::atomic<std::uint32_t> posted{0};
    std::uint32_t recv_events = 0;  ///< taken, not yet acknowledged
    std::mutex parked_mutex;
    RecvPkt* parked = nullptr;  ///< refused by the device, or flushed by it
    std::atomic<std::uint32_t> parked_count{0};
    RecvList saved;  ///< received whole before recover(), for the next recv
    Counter packets_received;
    Counter bytes_received;
    Counter recv_errors[IBV_WC_TM_RNDV_INCOMPLETE + 1];
    Counter empty_wakeups;
    Counter starvations;
    Counter largest_batch;
    std::atomic<std::uint64_t> refused_receives{0};
    std::atomic<int> post_error{0};  ///< errno of the last refused receive packet

    // Sending: one thread.
    Side send_side{"send"};
    SendPkt* free = nullptr;
    std::atomic<std::uint32_t> free_count{0};
    SendPkt* oldest_in_flight = nullptr;
    SendPkt* newest_in_flight = nullptr;
    std::atomic<std::uint32_t> in_flight{0};
    std::uint32_t next_sequence = 0;
    std::uint64_t bytes_posted = 0;
    std::uint64_t bytes_retired = 0;
    std::uint32_t unsignalled = 0;
    std::uint32_t send_events = 0;  ///< taken, not yet acknowledged
    Counter packets_sent;
    Counter bytes_sent;
    Counter send_errors[IBV_WC_TM_RNDV_INCOMPLETE + 1];
    Counter refused_sends;

private:
    void make_recv_side(const Options& options, std::uint32_t count);
    void make_send_side(const Options& options, std::uint32_t count);
    void make_queue_pair(const Options& options);
    Memory make_buffers(const Options& options, std::uint32_t count) const;
};

}  // namespace pktverbs
