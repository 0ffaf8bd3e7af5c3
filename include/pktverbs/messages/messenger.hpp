// SPDX-License-Identifier: Apache-2.0
// Messenger: makes connections, and serves them on an executor.
#pragma once

#include <memory>
#include <string>

#include <pktverbs/async/executor.hpp>
#include <pktverbs/async/task.hpp>
#include <pktverbs/export.hpp>
#include <pktverbs/messages/connection_manager.hpp>
#include <pktverbs/messages/options.hpp>
#include <pktverbs/messages/socket.hpp>

namespace pktverbs::messages {

class MessengerState;

/// Serves listeners and sockets on an executor, which may serve other things, too. Owns the channel to the RDMA
/// connection manager, and the devices that its connections use.
///
/// Neither copied nor moved. A messenger and all that belongs to it (listeners, requests, sockets, messages) must be
/// used in the executor's thread. Executor::run() continues while there are listeners, connections or unanswered
/// requests.
class PKTVERBS_EXPORT Messenger {
public:
    /// Both must outlive the messenger. Throws std::system_error: ENODEV or ENOENT on a machine without RDMA.
    explicit Messenger(async::Executor& executor, const ConnectionManager& manager = system_connection_manager());
    Messenger(const Messenger&) = delete;
    Messenger& operator=(const Messenger&) = delete;
    /// Ends listeners and connections at once, without handlers; coroutines that wait for them are resumed by the
    /// executor. Must not be called by a handler.
    ~Messenger();

    /// Returns the executor that it was made on.
    async::Executor& executor() const noexcept;
    /// Connects and waits until it is established: `co_await messenger.connect("10.0.0.1")`. Throws std::system_error.
    async::Task<Socket> connect(std::string where, Options options = {});

private:
    friend class Listener;
    friend class Socket;
    std::unique_ptr<MessengerState> state_;
};

}  // namespace pktverbs::messages
