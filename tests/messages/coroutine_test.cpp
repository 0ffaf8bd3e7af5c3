// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>
#include <poll.h>

#include <cerrno>
#include <optional>
#include <string>

#include "expect_error.hpp"
#include "pair.hpp"

namespace pktverbs::testing {
namespace {

using async::Task;

/// One loop for both ends.
class Coroutines : public ::testing::Test {
protected:
    FakeFabric fabric;
    std::optional<Loop> loop{std::in_place, fabric.manager()};
    std::vector<std::string> log;

    void settle() {
        for (int i = 0; i < 100'000; ++i)
            if (!loop->step(0ns)) return;
        ADD_FAILURE() << "it never settles";
    }

    Task<> echo(messages::Listener& listener) {
        auto socket = co_await listener.accept();
        if (!socket) {
            log.emplace_back("no more requests");
            co_return;
        }
        while (auto message = co_await socket->receive()) {
            if (const auto error = co_await socket->send(std::move(*message))) {
                log.push_back("echo: " + error.message());
                co_return;
            }
        }
        log.emplace_back("echo ends");
    }

    Task<> talk(int count) {
        messages::Socket socket = co_await loop->messenger.connect("10.0.0.2", small);
        for (int i = 0; i < count; ++i) {
            auto message = co_await socket.acquire();
            message->resize(1);
            message->bytes()[0] = static_cast<std::uint8_t>('a' + i % 26);
            EXPECT_FALSE(co_await socket.send(std::move(*message)));
            const auto answer = co_await socket.receive();
            EXPECT_EQ(answer->bytes()[0], 'a' + i % 26);
        }
        log.push_back("talked " + std::to_string(count));
    }
};

TEST_F(Coroutines, TalkToEachOther) {
    messages::Listener listener{*loop, messages::Address{}, small};
    loop->spawn(echo(listener));
    loop->spawn(talk(100));
    settle();
    EXPECT_EQ(log, (std::vector<std::string>{"talked 100", "echo ends"}));
}

TEST_F(Coroutines, WaitForRoom) {
    messages::Listener listener{*loop, messages::Address{}, small};
    const auto sink = [](messages::Listener& from, std::vector<std::string>& notes) -> Task<> {
        auto socket = co_await from.accept();
        int count = 0;
        while (co_await socket->receive()) ++count;
        notes.push_back("received " + std::to_string(count));
    };
    const auto flood = [](Loop& on, int& sent) -> Task<> {
        messages::Socket socket = co_await on.messenger.connect("10.0.0.2", small);
        for (; sent < 1000; ++sent) {
            auto message = co_await socket.acquire();
            EXPECT_FALSE(co_await socket.send(std::move(*message)));
        }
        socket.disconnect();
        EXPECT_FALSE(co_await socket.receive());
    };
    int sent = 0;
    fabric.holds_data = true;
    loop->spawn(sink(listener, log));
    loop->spawn(flood(*loop, sent));
    settle();
    EXPECT_EQ(sent, 4);
    fabric.let_data_pass();
    settle();
    EXPECT_EQ(sent, 1000);
    EXPECT_EQ(log, std::vector<std::string>{"received 1000"});
}

TEST_F(Coroutines, NeedNotWaitForTheConnection) {
    messages::Listener listener{*loop, messages::Address{}, small};
    const auto talk_at_once = [](Loop& on, std::vector<std::string>& notes) -> Task<> {
        messages::Socket socket{on, "10.0.0.2", small};
        auto message = co_await socket.acquire();
        EXPECT_FALSE(co_await socket.send(std::move(*message)));
        notes.emplace_back(co_await socket.receive() ? "answered" : "not answered");
    };
    loop->spawn(echo(listener));
    loop->spawn(talk_at_once(*loop, log));
    settle();
    EXPECT_EQ(log.front(), "answered");
}

TEST_F(Coroutines, FailToConnectWithoutAListener) {
    const auto connect = [](Loop& on) -> Task<> {
        const messages::Socket socket = co_await on.messenger.connect("10.0.0.2");
        ADD_FAILURE() << "connected";
    };
    loop->spawn(connect(*loop));
    expect_words(expect_error(ECONNREFUSED, [&] { settle(); }), {"cannot connect to 10.0.0.2:12345", "no listener"});
    settle();  // the loop goes on
}

TEST_F(Coroutines, FailToSendAMessageThatIsTooLong) {
    messages::Listener listener{*loop, messages::Address{}, small};
    const auto send = [](Loop& on) -> Task<> {
        messages::Socket socket = co_await on.messenger.connect("10.0.0.2");
        auto message = co_await socket.acquire();
        message->resize(101);
        static_cast<void>(co_await socket.send(std::move(*message)));
    };
    loop->spawn(echo(listener));
    loop->spawn(send(*loop));
    expect_words(expect_error(EMSGSIZE, [&] { settle(); }), {"101 bytes", "at most 100 bytes"});
}

TEST_F(Coroutines, AreResumedWhenTheirSocketEnds) {
    std::optional<messages::Socket> server;
    messages::Listener listener{*loop, messages::Address{}, small, {.request = [&](messages::Request request) {
                                    server.emplace(request.accept());
                                }}};
    std::optional<messages::Socket> client{std::in_place, *loop, "10.0.0.2", small};
    const auto receive = [](messages::Socket& socket, std::vector<std::string>& notes) -> Task<> {
        notes.emplace_back(co_await socket.receive() ? "a message" : "no message");
    };
    const auto acquire = [](messages::Socket& socket, std::vector<std::string>& notes) -> Task<> {
        std::vector<messages::Message> all;
        while (auto message = co_await socket.acquire()) all.push_back(std::move(*message));
        notes.push_back("acquired " + std::to_string(all.size()));
    };
    const auto send = [](messages::Socket& socket, messages::Message message,
                         std::vector<std::string>& notes) -> Task<> {
        notes.push_back((co_await socket.send(std::move(message))).message());
    };
    settle();
    fabric.holds_data = true;
    for (int i = 0; i < 4; ++i) ASSERT_FALSE(send_text(*server, "full"));
    fabric.let_data_pass();
    settle();
    fabric.holds_data = true;
    for (int i = 0; i < 4; ++i) ASSERT_FALSE(send_text(*client, "full"));
    auto forwarded = client->try_receive();
    ASSERT_TRUE(forwarded);
    while (client->try_receive()) continue;
    loop->spawn(send(*client, std::move(forwarded), log));
    loop->spawn(receive(*client, log));
    loop->spawn(acquire(*client, log));
    settle();
    EXPECT_TRUE(log.empty());
    client.reset();
    EXPECT_TRUE(log.empty()) << "no coroutine runs inside a destructor";
    settle();
    std::sort(log.begin(), log.end());
    EXPECT_EQ(log, (std::vector<std::string>{std::make_error_code(std::errc::not_connected).message(), "acquired 0",
                                             "no message"}));
}

TEST(Coroutine, IsResumedBeforeThePeerAnswers) {
    Pair pair;
    pair.establish();
    pair.client->set_handlers({});
    bool is_resumed = false;
    const auto receive = [](messages::Socket& socket, bool& done) -> Task<> {
        EXPECT_FALSE(co_await socket.receive());
        done = true;
    };
    pair.client_loop.spawn(receive(*pair.client, is_resumed));
    pair.client_loop.step(0ns);
    EXPECT_FALSE(is_resumed);
    pair.client.reset();
    pair.client_loop.step(0ns);
    EXPECT_TRUE(is_resumed);
    pair.settle();
}

TEST_F(Coroutines, AreResumedWhenTheirListenerEnds) {
    std::optional<messages::Listener> listener{std::in_place, *loop, messages::Address{}, small};
    loop->spawn(echo(*listener));
    settle();
    listener.reset();
    settle();
    EXPECT_EQ(log, std::vector<std::string>{"no more requests"});
}

TEST_F(Coroutines, FindRequestsThatCameMeanwhile) {
    messages::Listener listener{*loop, messages::Address{}, small};
    int accepted = 0;
    const auto accept = [](messages::Listener& from, int& count) -> Task<> {
        std::vector<messages::Socket> sockets;
        while (auto socket = co_await from.accept()) {
            sockets.push_back(std::move(*socket));
            ++count;
        }
    };
    loop->spawn(accept(listener, accepted));
    std::vector<messages::Socket> clients;
    for (int i = 0; i < 5; ++i) clients.emplace_back(*loop, "10.0.0.2", small);
    settle();
    EXPECT_EQ(accepted, 5);
    for (const auto& client : clients) EXPECT_TRUE(client.is_established());
}

TEST_F(Coroutines, AcceptThoughTheirListenerHasMoved) {
    std::optional<messages::Listener> first{std::in_place, *loop, messages::Address{}, small};
    auto accepting = first->accept();
    const messages::Listener second{std::move(*first)};
    first.reset();
    const auto accept = [](Task<std::optional<messages::Socket>> from, std::vector<std::string>& notes) -> Task<> {
        const auto socket = co_await from;
        notes.emplace_back(socket ? "accepted" : "no request");
    };
    loop->spawn(accept(std::move(accepting), log));
    const messages::Socket client{*loop, "10.0.0.2", small};
    settle();
    EXPECT_EQ(log, std::vector<std::string>{"accepted"});
}

TEST_F(Coroutines, AcceptTheNextWhenOneHasLeft) {
    std::vector<std::string> errors;
    messages::Listener listener{*loop, messages::Address{}, small, {.error = [&](const std::system_error& error) {
                                    errors.emplace_back(error.what());
                                }}};
    loop->spawn(echo(listener));
    fabric.fail(1, EINVAL, "accept");
    const messages::Socket unlucky{*loop, "10.0.0.2", small};
    settle();
    loop->spawn(talk(1));
    settle();
    ASSERT_EQ(errors.size(), 1U);
    expect_words(errors[0], {"cannot accept a connection from"});
    EXPECT_EQ(log, (std::vector<std::string>{"talked 1", "echo ends"}));
}

TEST_F(Coroutines, EndWithTheirLoop) {
    auto guard = std::make_shared<int>(1);
    messages::Listener listener{*loop, messages::Address{}, small};
    const auto hold = [](messages::Listener& from, std::shared_ptr<int>) -> Task<> {
        while (auto socket = co_await from.accept())
            while (co_await socket->receive()) continue;
    };
    loop->spawn(hold(listener, guard));
    loop->spawn(hold(listener, guard));
    loop->spawn(talk(3));
    settle();
    EXPECT_EQ(guard.use_count(), 3);
    loop.reset();
    EXPECT_EQ(guard.use_count(), 1);
}

TEST_F(Coroutines, ReturnAndThrowThroughEachOther) {
    const auto inner = [](bool throws) -> Task<std::string> {
        if (throws) throw std::runtime_error{"inner"};
        co_return "value";
    };
    const auto outer = [&](std::vector<std::string>& notes) -> Task<> {
        notes.push_back(co_await inner(false));
        try {
            co_await inner(true);
        } catch (const std::runtime_error& error) {
            notes.emplace_back(error.what());
        }
    };
    loop->spawn(outer(log));
    settle();
    EXPECT_EQ(log, (std::vector<std::string>{"value", "inner"}));
}

TEST_F(Coroutines, ThrowOneAfterTheOther) {
    const auto fail = []() -> Task<> {
        throw std::runtime_error{"mine"};
        co_return;
    };
    loop->spawn(fail());
    loop->spawn(fail());
    EXPECT_THROW(settle(), std::runtime_error);
    pollfd readable{loop->fd(), POLLIN, 0};
    EXPECT_EQ(::poll(&readable, 1, 0), 1);
    EXPECT_THROW(settle(), std::runtime_error);
    settle();
}

TEST_F(Coroutines, ThatAreNotStartedCostNothing) {
    { const Task<> never = talk(1); }
    EXPECT_TRUE(log.empty());
}

}  // namespace
}  // namespace pktverbs::testing
