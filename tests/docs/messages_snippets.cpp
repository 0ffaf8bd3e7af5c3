// SPDX-License-Identifier: Apache-2.0
// The code of docs/messages.md, on a fabric in memory.
#include <fmt/core.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <list>
#include <string_view>
#include <thread>

#include "../messages/fake_fabric.hpp"

#include <pktverbs/messages/messages.hpp>

namespace {

using namespace pktverbs::messages;
using pktverbs::async::Executor;
using pktverbs::async::Task;
using namespace std::chrono_literals;

int seen = 0;
void consume(std::span<const std::uint8_t> bytes) {
    EXPECT_EQ(bytes.size(), 5U);
    ++seen;
}

class MessagesSnippets : public ::testing::Test {
protected:
    void settle(Executor& executor) {
        while (executor.step(0ns)) continue;
    }
    pktverbs::testing::FakeFabric fabric;
};

// [server]
Task<> serve(Messenger& messenger) {
    Listener listener{messenger, Address{}};  // port 12345 of every address
    while (auto socket = co_await listener.accept())
        while (auto message = co_await socket->receive()) {
            consume(message->bytes());
            if (co_await socket->send(std::move(*message))) break;  // back to where it came from, uncopied
        }
}
// [/server]

// [client]
Task<> ask(Messenger& messenger, std::string peer) {
    Socket socket = co_await messenger.connect(peer, {.connect_timeout = 2s});
    auto message = co_await socket.acquire();  // waits until there is an empty one
    message->resize(5);
    std::ranges::copy(std::string_view{"hello"}, message->bytes().begin());
    if (const auto error = co_await socket.send(std::move(*message))) throw std::system_error{error};
    if (const auto answer = co_await socket.receive()) consume(answer->bytes());
    socket.disconnect();
}
// [/client]

TEST_F(MessagesSnippets, Coroutines) {
    seen = 0;
    // [executor]
    Executor executor;
    Messenger messenger{executor, fabric.manager()};
    executor.spawn(serve(messenger));
    executor.spawn(ask(messenger, "10.0.0.2"));
    // [/executor]
    settle(executor);
    EXPECT_EQ(seen, 2);
}

TEST_F(MessagesSnippets, Callbacks) {
    seen = 0;
    Executor executor;
    Messenger messenger{executor, fabric.manager()};
    // [callbacks]
    std::list<Socket> sockets;
    const Listener listener{messenger, Address{5000}, {.message_bytes = 9000}, {.request = [&](Request request) {
        if (sockets.size() == 100) return request.reject("full");
        sockets.push_back(request.accept({
            .message = [](Socket&, Message message) { consume(message.bytes()); },
            .error = [](Socket&, const std::system_error& error) { fmt::print(stderr, "{}\n", error.what()); },
        }));
    }}};
    // [/callbacks]
    // [fill]
    const auto fill = [](Socket& socket) {
        while (Message message = socket.try_acquire()) {
            message.resize(5);
            if (socket.try_send(std::move(message))) return;
        }  // none left: `writable` follows when there is one
    };
    const Socket sender{messenger, "10.0.0.2:5000", {}, {.established = fill, .writable = fill}};
    // [/fill]
    for (int i = 0; i < 20; ++i) executor.step(0ns);
    EXPECT_GE(seen, 16);
}

TEST_F(MessagesSnippets, Thread) {
    // [thread]
    Executor executor;
    Messenger messenger{executor, fabric.manager()};
    executor.spawn(serve(messenger));
    std::jthread thread{[&](std::stop_token stop) { executor.run(stop); }};
    executor.post([&] { executor.spawn(ask(messenger, "10.0.0.2")); });  // from any thread: runs in the executor's
    // [/thread]
}

}  // namespace
