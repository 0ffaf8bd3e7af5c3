// SPDX-License-Identifier: Apache-2.0
// Queue::State: what a queue owns, by side: receiving, sending, and both.
#pragma once

#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <mutex>

#include <pktverbs/memory/memory.hpp>
#include <pktverbs/queue.hpp>
#include <pktverbs/verbs/error.hpp>
#include <pktverbs/verbs/handle.hpp>

#include "base/counter.hpp"
#include "base/deadline.hpp"
#include "base/file_descriptor.hpp"
#include "context/readiness.hpp"
#include "context/side_guard.hpp"
#include "offload/receive_offloads.hpp"
#include "offload/send_offloads.hpp"
#include "packet/packet_buffers.hpp"

namespace pktverbs {

/// The errno for what a data path verb gave: not every negative number is an errno (libmlx5's poll gives -2 for a
/// completion that it cannot read).
inline int device_errno(int result) noexcept { return result > 0 ? result : EIO; }

/// Members stand in creation order: memory outlives its registration, completion queues outlive the
/// queue pair. close() takes the verbs objects down and leaves the memory.
struct __attribute__((visibility("hidden"))) Queue::State {
    /// Makes the queue pair and brings it to work, with every receive packet posted.
    State(Core& core, const Options& options, const ibv_device_attr& device, std::uint64_t clock_khz,
          std::uint32_t index);
    ~State() { close(); }

    void close() noexcept;
    bool is_datagram() const noexcept { return transport == Transport::datagram; }
    /// Takes the queue pair to another state, `with` these attributes besides it (IBV_QP_PORT). Throws
    /// std::system_error.
    void step(ibv_qp_state to, int with, std::string_view what);
    void step(ibv_wq_state to, std::string_view what);
    ibv_qp_state qp_state();
    int post(ibv_recv_wr* wr, ibv_recv_wr** bad) noexcept {
        return wq ? ibv_post_wq_recv(wq.get(), wr, bad) : ibv_post_recv(qp.get(), wr, bad);
    }
    /// Ends posting: returns when no thread is at it any more.
    void shut() noexcept;
    /// Returns when no thread is giving packets back that began before.
    void wait_for_givers() const noexcept;
    void take_events(ibv_comp_channel& channel, ibv_cq& cq, std::uint32_t& unacknowledged,
                     std::atomic<int>& failure) noexcept;
    /// When spinning ends and sleeping begins.
    Deadline spin_end() const noexcept;
    /// Packets in lists of the user.
    std::uint32_t held() const noexcept;

    Core& core;
    Limits limits;
    const Transport transport;
    const std::uint32_t qkey;
    WaitMode wait_mode;
    std::chrono::nanoseconds spin;
    std::uint64_t clock_khz;  ///< of the device's timestamps; 0 without
    bool default_batch;
    const bool spreads;            ///< receives by a work queue
    std::uint32_t max_sends = 0;  ///< work requests that the device's send queues hold
    std::atomic<bool> in_error{false};
    std::atomic<int> error{0};       ///< of the device when it was polled, armed or waited for, receiving
    std::atomic<int> send_error{0};  ///< and sending
    std::atomic<bool> closed{false};
    std::atomic<bool> recovering{false};   ///< packets that come back wait to be posted
    std::atomic<std::uint32_t> givers{0};  ///< threads that are giving packets back
    int comp_vector;                       ///< each queue its own, so that each can interrupt a core of its own

    FileDescriptor wake;       ///< an eventfd, to end a wait to receive
    FileDescriptor send_wake;  ///< and one to send
    verbs::CompChannelHandle recv_channel;
    Readiness recv_ready;  ///< of the channel, with `wake`
    verbs::CqHandle recv_cq;
    ibv_cq_ex* recv_cq_ex = nullptr;  ///< the same as recv_cq, where it is an extended one
    bool flow_tags = false;           ///< recv_cq_ex reads them
    const bool device_strips;         ///< VLAN tags; recv_cq_ex reads them
    const ReceiveOffloads receive_offloads;
    const bool finishes;  ///< packets have something done to them when they were received
    PacketBuffers recv_buffers;
    Memory recv_packets;
    Memory recv_slices;  ///< of datagrams: two scatter elements each, GRH and payload
    verbs::CompChannelHandle send_channel;
    Readiness send_ready;  ///< of the channel, with `send_wake`
    verbs::CqHandle send_cq;
    PacketBuffers send_buffers;
    SendOffloads send_offloads;
    Memory send_packets;
    verbs::WqHandle wq;  ///< receives, where frames are spread over queues
    verbs::QpHandle qp;  ///< sends, and receives where they are not; none if there is neither

    // What differs between frames and datagrams, per packet.
    std::uint32_t header_bytes;  ///< that count in a completion's length, and the user doesn't see: the GRH
    std::uint32_t source_mask;   ///< what of a completion's source queue pair means something
    std::uint32_t min_bytes;   ///< that can be sent

    // Receiving: one thread, but for what is atomic or under the mutex.
    Side recv_side{"receive"};
    std::atomic<std::uint32_t> posted{0};
    std::uint32_t recv_events = 0;  ///< taken, not yet acknowledged
    unsigned polls_in_vain = 0;
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
    std::uint32_t send_events = 0;     ///< taken, not yet acknowledged
    std::uint32_t empty_acquires = 0;  ///< runs free
    Counter packets_sent;
    Counter bytes_sent;
    Counter send_errors[IBV_WC_TM_RNDV_INCOMPLETE + 1];
    Counter refused_sends;

    /// Counts a thread that gives packets back, so that nothing is taken down under it.
    class Giver {
    public:
        explicit Giver(State& state) noexcept : state_{state} {
            // Sequentially consistent, as in shut(): either this sees `closed`, or shut() sees this.
            state_.givers.fetch_add(1);
            too_late_ = state_.closed.load();
        }
        ~Giver() { leave(); }
        Giver(const Giver&) = delete;
        Giver& operator=(const Giver&) = delete;
        /// The queue was shut before: there is nothing to give back to.
        bool too_late() const noexcept { return too_late_; }
        /// Before the destructor, where that may come after the queue's own end.
        void leave() noexcept {
            if (!left_) state_.givers.fetch_sub(1);
            left_ = true;
        }

    private:
        State& state_;
        bool too_late_ = false;
        bool left_ = false;
    };

private:
    void make_recv_side(const Options& options, std::uint32_t count);
    void make_send_side(const Options& options, std::uint32_t count);
    void make_work_queue(const Options& options);
    void make_queue_pair(const Options& options);
    ibv_qp* create_queue_pair(ibv_qp_init_attr& attr);
    bool make_extended_cq(std::uint32_t count);
    [[noreturn]] void refuse_queue_pair(int reason) const;
    std::size_t chunks(const Layout& layout) const noexcept { return layout.empty() ? 1 : layout.chunks().size(); }
    Memory::Placement placement(const Options& options) const;
};

}  // namespace pktverbs
