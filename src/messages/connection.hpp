// SPDX-License-Identifier: Apache-2.0
// Connection: the state of a Socket: its steps through the connection manager's states, and its queue pair.
#pragma once

#include <infiniband/verbs.h>

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <list>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include <pktverbs/async/hook.hpp>
#include <pktverbs/async/work.hpp>
#include <pktverbs/messages/socket.hpp>
#include <pktverbs/verbs/async_event.hpp>
#include <pktverbs/verbs/completion_queue.hpp>
#include <pktverbs/verbs/queue_pair.hpp>

#include "messages/cm_id.hpp"
#include "messages/hello.hpp"
#include "messages/inbox.hpp"
#include "messages/pool.hpp"
#include "messages/send_ring.hpp"

namespace pktverbs::messages {

class MessengerState;
class MessengerDevice;

/// Owned by its messenger until it is torn down, and by its socket. No member calls a handler but those that the
/// messenger and the executor call: on_event(), on_completion_event(), on_async_event() and what the hooks call.
class Connection final : public CmIdOwner, public std::enable_shared_from_this<Connection> {
public:
    enum class State { resolving_address, resolving_route, connecting, accepting, established, leaving, ended };

    Connection(MessengerState& messenger, const Options& options, SocketHandlers handlers);
    ~Connection();
    /// Throws what the last address threw.
    void connect(std::span<const Address> addresses);
    /// On failure it rejects the peer, and service() reports the error.
    void accept(CmId id, std::span<const std::uint8_t> private_data);
    /// The peer gave up before: service() reports the error.
    void fail_to_accept(const Address& peer, std::exception_ptr failure) noexcept;

    // For the messenger.
    void on_event(const CmEvent& event) override;
    void on_completion_event();
    void on_async_event(const verbs::AsyncEvent& event);
    /// Its device failed or was removed: service() reports it.
    void lose_device() noexcept;
    void service();
    void lose_messenger() noexcept;
    void tear_down() noexcept;
    using Connections = std::list<std::shared_ptr<Connection>>;
    void set_place(Connections::iterator place) noexcept { place_ = place; }
    /// Nullopt if it is not in the messenger's list.
    std::optional<Connections::iterator> leave_place() noexcept { return std::exchange(place_, std::nullopt); }
    /// A buffer of this connection's pool is idle again.
    void released(Buffer& buffer) noexcept;

    // For the socket.
    void set_socket(Socket* socket) noexcept { socket_ = socket; }
    void set_handlers(SocketHandlers handlers) { handlers_ = std::move(handlers); }
    /// The socket has ended.
    void drop() noexcept;
    void disconnect();
    Message try_acquire();
    std::error_code try_send(Message& message);
    Message try_receive();

    // For the waiters. These return true if there is no need to wait.
    bool acquire(AcquireWaiter& waiter);
    bool send(SendWaiter& waiter);
    bool receive(ReceiveWaiter& waiter);
    bool establish(EstablishedWaiter& waiter) noexcept;
    void wait(AcquireWaiter& waiter, std::coroutine_handle<> by) noexcept { acquirers_.push(waiter, by); }
    void wait(SendWaiter& waiter, std::coroutine_handle<> by) noexcept { senders_.push(waiter, by); }
    void wait(ReceiveWaiter& waiter, std::coroutine_handle<> by) noexcept { receivers_.push(waiter, by); }
    void wait(EstablishedWaiter& waiter, std::coroutine_handle<> by) noexcept { establishers_.push(waiter, by); }

    bool is_on(const MessengerDevice& device) const noexcept { return device_ == &device; }
    /// Whether the event is about its queue pair or completion queue.
    bool is_subject_of(const verbs::AsyncEvent& event) const noexcept;

    State state() const noexcept { return state_; }
    const Options& options() const noexcept { return options_; }
    std::size_t in_flight() const noexcept { return ring_.messages(); }
    std::size_t send_capacity() const noexcept;
    std::size_t peer_message_bytes() const noexcept { return peer_message_bytes_; }
    Address peer() const noexcept { return peer_; }
    Address local() const noexcept { return local_; }
    ibv_qp* raw() const noexcept { return qp_ ? qp_->raw() : nullptr; }

private:
    using Clock = std::chrono::steady_clock;

    // Setup: connection_setup.cpp.
    void begin_attempt();
    void try_next_address(std::exception_ptr failure);
    void on_setup_event(const CmEvent& event);
    void take_setup_step(const CmEvent& event);
    void request();
    void confirm(std::span<const std::uint8_t> private_data);
    void make_queue_pair();
    void step_queue_pair(ibv_qp_state to);
    void read_hello(std::span<const std::uint8_t> private_data) noexcept;
    rdma_conn_param parameters(const std::array<std::uint8_t, Hello::wire_bytes>& hello) const noexcept;
    void become_established();
    std::string connecting() const;
    /// "VERB the peer", for errors.
    std::string about_peer(std::string_view verb) const;

    /// Set in the wr_id of a send, whose other bits are its number in the ring. A receive's wr_id is its buffer's
    /// index.
    static constexpr std::uint64_t send_bit = std::uint64_t{1} << 63;

    // Data: connection_receive.cpp and connection_send.cpp.
    struct Unfinished {
        ~Unfinished();
        Connection& connection;
    };
    /// Whether nothing is left; otherwise service() is called again.
    bool poll();
    void arm();
    /// Fails the connection on an error.
    void try_to_arm();
    void take_batch();
    void received(const ibv_wc& wc);
    void sent(const ibv_wc& wc);
    void completion_failed(const ibv_wc& wc, bool sending);
    void unknown_completion(const ibv_wc& wc);
    void deliver(Buffer& buffer);
    void post_receive(Buffer& buffer) noexcept;
    /// Posts a message; without one, a probe, which asks whether the peer lives. Returns 0 or an errno.
    int post(const Message* message) noexcept;
    void probe_peer();
    void check_message(const Message& message) const;
    std::error_code send_now(Message& message);
    void send_for(SendWaiter& waiter) noexcept;
    void use_room();

    // End: connection.cpp.
    void on_deadline();
    void leave() noexcept;
    void fail(std::exception_ptr failure);
    void end(std::error_code why);
    /// Calls the error handler.
    void report_failure();
    void resume_all() noexcept;
    void discard_attempt() noexcept;
    std::exception_ptr failure_to_establish() const noexcept;
    /// The executor calls service() soon.
    void needs_service() noexcept { service_.call_soon(); }
    /// Called by a hook. Calls the member, and meanwhile keeps ended connections.
    template <void (Connection::*member)()>
    bool enter();
    void cancel_hooks() noexcept;
    void lose(int error, std::string_view why) noexcept;
    bool is_over() const noexcept;

    MessengerState* messenger_;
    std::optional<Connections::iterator> place_;  ///< among the messenger's connections
    MessengerDevice* device_ = nullptr;
    Options options_;
    SocketHandlers handlers_;
    Socket* socket_ = nullptr;
    State state_ = State::resolving_address;
    bool wants_buffer_ = false;   ///< try_acquire() found none
    bool wants_slot_ = false;     ///< try_send() found none
    bool is_leaving_ = false;     ///< disconnect() was called
    bool peer_has_left_ = false;  ///< the messages that it sent before are taken first
    bool is_down_ = false;
    bool is_passive_ = false;
    bool is_armed_ = false;  ///< the next completion makes an event
    int post_error_ = 0;     ///< of a receive
    std::exception_ptr failure_;
    std::exception_ptr loss_;  ///< of the device or queue pair; messages received before are taken first

    std::vector<Address> addresses_;  ///< not tried yet, in reverse order
    Clock::time_point connect_until_{};
    int attempt_ms_ = 0;
    Address peer_;
    Address local_;
    std::size_t peer_message_bytes_;
    CmId id_;

    Pool* pool_ = nullptr;
    std::optional<verbs::CompletionQueue> cq_;
    std::optional<verbs::QueuePair> qp_;
    SendRing ring_;
    std::array<ibv_wc, 32> batch_{};
    std::size_t batch_next_ = 0;
    std::size_t batch_end_ = 0;
    std::uint64_t completions_ = 0;
    std::uint64_t completions_at_tick_ = 0;
    Inbox inbox_;

    async::WaiterList acquirers_;
    async::WaiterList senders_;
    async::WaiterList receivers_;
    async::WaiterList establishers_;
    std::optional<async::Work> work_;  ///< until it is torn down
    async::Hook service_;
    async::Hook deadline_;
    async::Hook keepalive_;
};

}  // namespace pktverbs::messages
