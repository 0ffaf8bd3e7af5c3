// SPDX-License-Identifier: Apache-2.0
// Pair: a server and a client on a fake fabric, each with an executor, and notes of the calls of their handlers.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <list>
#include <optional>
#include <string>
#include <system_error>
#include <vector>

#include <pktverbs/messages/messages.hpp>

#include "fake_fabric.hpp"

namespace pktverbs::testing {

using namespace std::chrono_literals;

/// The events of one socket's handlers.
struct Notes {
    int established = 0;
    int writable = 0;
    int sent = 0;
    int disconnected = 0;
    std::error_code why;
    std::vector<std::string> received;
    std::vector<std::string> errors;
    std::vector<std::string> order;

    messages::SocketHandlers handlers() {
        return {
            .established = [this](auto&) { ++established, order.emplace_back("established"); },
            .message =
                [this](auto&, messages::Message message) {
                    received.emplace_back(message.bytes().begin(), message.bytes().end());
                    order.emplace_back("message");
                },
            .sent = [this](auto&, messages::Message) { ++sent, order.emplace_back("sent"); },
            .writable = [this](auto&) { ++writable; },
            .disconnected =
                [this](auto&, std::error_code code) {
                    ++disconnected, why = code;
                    order.emplace_back("disconnected");
                },
            .error =
                [this](auto&, const std::system_error& error) {
                    errors.emplace_back(error.what());
                    order.emplace_back("error");
                },
        };
    }
};

/// A message with that text; none if there is no room.
inline messages::Message text_message(messages::Socket& socket, const std::string& text) {
    auto message = socket.try_acquire();
    if (!message) return message;
    message.resize(text.size());
    std::copy(text.begin(), text.end(), message.bytes().begin());
    return message;
}

inline std::error_code send_text(messages::Socket& socket, const std::string& text) {
    auto message = text_message(socket, text);
    return message ? socket.try_send(std::move(message))
                   : std::make_error_code(std::errc::resource_unavailable_try_again);
}

/// A small default, so that every limit is near.
inline constexpr messages::Options small{.message_bytes = 100, .receives = 4, .sends = 4, .keepalive = 0ms};

/// An executor and a messenger on it: all that one end needs.
struct Loop {
    explicit Loop(const messages::ConnectionManager& manager) : messenger{executor, manager} {}
    operator messages::Messenger&() noexcept { return messenger; }
    bool step(std::chrono::nanoseconds timeout) { return executor.step(timeout); }
    void spawn(async::Task<> task) { executor.spawn(std::move(task)); }
    int fd() const noexcept { return executor.fd(); }

    async::Executor executor;
    messages::Messenger messenger;
};

class Pair {
public:
    /// Options that a test may change before it sets the handlers.
    messages::Options server_options = small;
    messages::Options client_options = small;
    FakeFabric fabric;
    Notes server_notes;
    Notes client_notes;
    Loop server_loop{fabric.manager()};
    Loop client_loop{fabric.manager()};
    std::optional<messages::Listener> listener;
    std::optional<messages::Socket> server;
    std::optional<messages::Socket> client;

    void listen() {
        listener.emplace(server_loop, messages::Address{}, server_options,
                         messages::ListenerHandlers{.request = [this](messages::Request request) {
                             server.emplace(request.accept(server_notes.handlers()));
                         }});
    }
    void connect() { client.emplace(client_loop, "10.0.0.2", client_options, client_notes.handlers()); }
    /// Runs both ends until nothing happens any more.
    void settle() {
        for (int i = 0; i < 100'000; ++i) {
            const bool at_server = server_loop.step(0ns);
            const bool at_client = client_loop.step(0ns);
            if (!at_server && !at_client) return;
        }
        ADD_FAILURE() << "it never settles";
    }
    /// Runs until the client has seen the end: for timers.
    void wait_for_end(const Notes& notes) {
        while (notes.disconnected == 0) {
            client_loop.step(1ms);
            server_loop.step(1ms);
        }
    }
    void establish() {
        listen();
        connect();
        settle();
        ASSERT_EQ(client_notes.established, 1) << (client_notes.errors.empty() ? "" : client_notes.errors.front());
        ASSERT_EQ(server_notes.established, 1);
    }
};

}  // namespace pktverbs::testing
