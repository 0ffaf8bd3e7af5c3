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

/// What listeners and sockets are made of: a channel of the RDMA connection manager, and the devices that its
/// connections use, all served by one executor, beside whatever else runs there. Neither copied nor moved. A messenger
/// and all that belongs to it (listeners, requests, sockets, messages) is used in the executor's thread. While there
/// are listeners, connections or requests to answer, Executor::run() goes on.
class PKTVERBS_EXPORT Messenger {
public:
    /// Both must outlive the messenger. Throws std::system_error: ENODEV or ENOENT where there is no RDMA at all.
    explicit Messenger(async::Executor& executor, const ConnectionManager& manager = system_connection_manager());
    Messenger(const Messenger&) = delete;
    Messenger& operator=(const Messenger&) = delete;
    /// Ends listeners and connections at once, without handlers; coroutines that wait for them are resumed by the
    /// executor. Not from inside a handler.
    ~Messenger();

    async::Executor& executor() const noexcept;
    /// Connects and waits until it is established: `co_await messenger.connect("10.0.0.1")`. Throws std::system_error.
    async::Task<Socket> connect(std::string where, Options options = {});

private:
    friend class Listener;
    friend class Socket;
    std::unique_ptr<MessengerState> state_;
};

}  // namespace pktverbs::messages
