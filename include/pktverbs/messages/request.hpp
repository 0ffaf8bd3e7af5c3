// SPDX-License-Identifier: Apache-2.0
// Request: somebody who wants to connect, and waits for an answer.
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

/// Move-only. Must be answered in the executor's thread, once; ends with a rejection if it wasn't. May outlive its
/// listener and its messenger. Until it is answered it counts for Options::backlog.
class PKTVERBS_EXPORT Request {
public:
    Request(Request&& other) noexcept;
    Request& operator=(Request&& other) noexcept;
    ~Request();

    Address peer() const;
    Address local() const;
    /// What came with the request, with the padding that the connection manager adds: pktverbs' own hello, or another
    /// program's data. Valid until the answer.
    std::span<const std::uint8_t> private_data() const noexcept;

    /// Ready to receive before the peer hears of it. Options: those of the listener, or others. What fails goes to the
    /// socket's error handler, also that the peer has given up meanwhile (ECONNABORTED, or EINVAL where the kernel only
    /// says so by refusing) or that its device was removed (ENODEV). Throws std::system_error, EINVAL, for options that
    /// make no sense and if it was answered before.
    Socket accept(SocketHandlers handlers = {});
    Socket accept(SocketHandlers handlers, const Options& options);
    /// The peer gets the reason, if it is one of ours: at most 147 bytes of UTF-8 text.
    void reject(std::string_view reason = {}) noexcept;

private:
    friend class ListenerState;
    friend class RequestWaiter;
    explicit Request(std::unique_ptr<PendingRequest> pending) noexcept;

    std::unique_ptr<PendingRequest> pending_;
};

}  // namespace pktverbs::messages
