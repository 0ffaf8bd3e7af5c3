// SPDX-License-Identifier: Apache-2.0
// Request: a peer's request to connect.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>

#include <pktverbs/export.hpp>
#include <pktverbs/messages/address.hpp>
#include <pktverbs/messages/options.hpp>
#include <pktverbs/messages/socket.hpp>

namespace pktverbs::messages {

class PendingRequest;

/// A peer's request to connect, which waits to be accepted or rejected.
///
/// Move-only. It must be answered once, in the executor's thread; if it ends without an answer, it is rejected. It may
/// outlive its listener and its messenger. Until it is answered it counts towards Options::backlog.
class PKTVERBS_EXPORT Request {
public:
    Request(Request&& other) noexcept;
    Request& operator=(Request&& other) noexcept;
    ~Request();

    /// Returns the peer's address.
    Address peer() const;
    /// Returns the local address that the peer connects to.
    Address local() const;
    /// Returns the data that came with the request, with the connection manager's padding: pktverbs' own greeting, or
    /// another program's data. Valid until the answer.
    std::span<const std::uint8_t> private_data() const noexcept;

    /// Accepts the request, with the options of the listener or others. The socket can receive before the peer gets the
    /// answer. Failures go to the socket's error handler, also if the peer has withdrawn its request (ECONNABORTED, or
    /// EINVAL if only the kernel's refusal shows it) or its device was removed (ENODEV). Throws std::system_error,
    /// EINVAL, for options that contradict themselves, and if it was answered before.
    Socket accept(SocketHandlers handlers = {});
    Socket accept(SocketHandlers handlers, const Options& options);
    /// Rejects the request. A peer that uses pktverbs gets the reason: at most 147 bytes of UTF-8 text.
    void reject(std::string_view reason = {}) noexcept;

private:
    friend class ListenerState;
    friend class RequestWaiter;
    explicit Request(std::unique_ptr<PendingRequest> pending) noexcept;

    std::unique_ptr<PendingRequest> pending_;
};

}  // namespace pktverbs::messages
