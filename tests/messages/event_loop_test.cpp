// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <future>
#include <thread>

#include "expect_error.hpp"
#include "messages/error.hpp"
#include "pair.hpp"

namespace pktverbs::testing {
namespace {

bool is_readable(int fd) {
    pollfd readable{fd, POLLIN, 0};
    return ::poll(&readable, 1, 0) == 1;
}

TEST(EventLoop, RunsInAThreadOfItsOwn) {
    FakeFabric fabric;
    std::promise<std::string> answer;
    {
        messages::EventLoop server{fabric.manager()};
        messages::EventLoop client{fabric.manager()};
        std::optional<messages::Listener> listener;
        std::optional<messages::Socket> accepted;
        std::optional<messages::Socket> connected;
        listener.emplace(server, messages::Address{}, small,
                         messages::ListenerHandlers{.request = [&](messages::Request request) {
                             accepted.emplace(request.accept({.message = [](auto& socket, messages::Message message) {
                                 EXPECT_FALSE(socket.try_send(std::move(message)));
                             }}));
                         }});
        std::jthread server_thread{[&](const std::stop_token& stop) { server.run(stop); }};
        std::jthread client_thread{[&](const std::stop_token& stop) { client.run(stop); }};
        client.post([&] {
            connected.emplace(
                client, "10.0.0.2", small,
                messages::SocketHandlers{
                    .established = [](auto& socket) { EXPECT_FALSE(send_text(socket, "there and back")); },
                    .message =
                        [&](auto&, messages::Message message) {
                            answer.set_value({message.bytes().begin(), message.bytes().end()});
                        },
                });
        });
        EXPECT_EQ(answer.get_future().get(), "there and back");
    }
}

TEST(EventLoop, RunsUntilItIsStopped) {
    FakeFabric fabric;
    messages::EventLoop loop{fabric.manager()};
    loop.stop();
    loop.run();  // also before
    loop.post([&] { loop.stop(); });
    loop.run();
    std::stop_source source;
    loop.post([&] { source.request_stop(); });
    loop.run(source.get_token());
    loop.run(source.get_token());
}

TEST(EventLoop, CallsWhatIsPostedInItsThread) {
    FakeFabric fabric;
    messages::EventLoop loop{fabric.manager()};
    std::thread::id in;
    std::jthread thread{[&](const std::stop_token& stop) { loop.run(stop); }};
    std::promise<void> called;
    loop.post([&] {
        in = std::this_thread::get_id();
        called.set_value();
    });
    called.get_future().wait();
    EXPECT_EQ(in, thread.get_id());
}

TEST(EventLoop, KeepsTheCallsBehindOneThatThrows) {
    FakeFabric fabric;
    messages::EventLoop loop{fabric.manager()};
    std::string order;
    loop.post([&] {
        loop.post([&] { order += '3'; });
        throw std::runtime_error{"mine"};
    });
    loop.post([&] { order += '1'; });
    loop.post([&] { order += '2'; });
    EXPECT_THROW(loop.step(0ns), std::runtime_error);
    EXPECT_TRUE(is_readable(loop.fd()));
    loop.step(0ns);
    EXPECT_EQ(order, "123");
}

TEST(EventLoop, StepsOnlyAsLongAsItWasTold) {
    FakeFabric fabric;
    messages::EventLoop loop{fabric.manager()};
    EXPECT_FALSE(loop.step(0ns));
    EXPECT_FALSE(loop.step(1ns));
    EXPECT_FALSE(loop.step(-1s));
    loop.wake();
    EXPECT_TRUE(loop.step(std::chrono::nanoseconds::max()));
    EXPECT_FALSE(loop.step(0ns));
}

TEST(EventLoop, ServesInsideAnotherEpollInstance) {
    Pair pair;
    const int epoll = epoll_create1(EPOLL_CLOEXEC);
    for (auto* loop : {&pair.server_loop, &pair.client_loop}) {
        epoll_event event{};
        event.events = EPOLLIN;
        event.data.ptr = loop;
        ASSERT_EQ(epoll_ctl(epoll, EPOLL_CTL_ADD, loop->fd(), &event), 0);
    }
    pair.listen();
    pair.connect();
    bool sent = false;
    while (pair.client_notes.sent < 4) {
        std::array<epoll_event, 2> events;
        // Everything is in memory: a descriptor that isn't readable now never will be.
        const int got = epoll_wait(epoll, events.data(), 2, 0);
        ASSERT_GT(got, 0);
        for (int i = 0; i < got; ++i)
            static_cast<messages::EventLoop*>(events[static_cast<std::size_t>(i)].data.ptr)->step(0ns);
        if (!pair.client->is_established() || std::exchange(sent, true)) continue;
        for (int i = 0; i < 4; ++i) ASSERT_FALSE(send_text(*pair.client, "x"));
    }
    pair.settle();
    EXPECT_EQ(pair.server_notes.received.size(), 4U);
    EXPECT_FALSE(is_readable(pair.client_loop.fd()));
    close(epoll);
}

TEST(EventLoop, TakesMoreCompletionsThanOneTurnHas) {
    Pair pair;
    pair.server_options.receives = pair.client_options.sends = 1000;
    pair.establish();
    for (int i = 0; i < 1000; ++i) ASSERT_FALSE(send_text(*pair.client, "x"));
    pair.server_loop.step(0ns);
    EXPECT_LT(pair.server_notes.received.size(), 1000U) << "others would starve";
    EXPECT_TRUE(is_readable(pair.server_loop.fd()));
    pair.settle();
    EXPECT_EQ(pair.server_notes.received.size(), 1000U);
}

TEST(EventLoop, ReturnsFromAStepThatFeedsItself) {
    FakeFabric fabric;
    messages::EventLoop loop{fabric.manager()};
    int received = 0;
    const messages::SocketHandlers echo{.message = [&](messages::Socket& socket, messages::Message message) {
        ++received;
        EXPECT_FALSE(socket.try_send(std::move(message)));
    }};
    std::optional<messages::Socket> server;
    const messages::Listener listener{loop, messages::Address{}, small, {.request = [&](messages::Request request) {
                                          server.emplace(request.accept(echo));
                                      }}};
    messages::Socket client{loop, "10.0.0.2", small, echo};
    while (loop.step(0ns)) continue;
    ASSERT_FALSE(send_text(client, "to and fro"));
    for (int i = 0; i < 10; ++i) loop.step(0ns);
    EXPECT_GT(received, 10);
}

TEST(EventLoop, IsReadableWhenACallLeftItSomethingToDo) {
    Pair pair;
    pair.establish();
    EXPECT_FALSE(is_readable(pair.client_loop.fd()));
    const auto receive = [](messages::Socket& socket) -> messages::Task<> { EXPECT_FALSE(co_await socket.receive()); };
    pair.client->set_handlers({});
    pair.client_loop.spawn(receive(*pair.client));
    EXPECT_FALSE(is_readable(pair.client_loop.fd()));
    pair.server->disconnect();
    EXPECT_TRUE(is_readable(pair.server_loop.fd()));
    pair.client.reset();
    EXPECT_TRUE(is_readable(pair.client_loop.fd())) << "somebody is to be resumed";
    EXPECT_TRUE(pair.client_loop.step(0ns));  // without the peer's answer
    pair.settle();
}

TEST(EventLoop, IsReadableWhenAListenerThatWasWaitedForEnds) {
    FakeFabric fabric;
    messages::EventLoop loop{fabric.manager()};
    std::optional<messages::Listener> listener{std::in_place, loop, messages::Address{}, small};
    const auto wait = [](messages::Listener& from) -> messages::Task<> { EXPECT_FALSE(co_await from.request()); };
    loop.spawn(wait(*listener));
    EXPECT_FALSE(is_readable(loop.fd()));
    listener.reset();
    EXPECT_TRUE(is_readable(loop.fd()));
    EXPECT_TRUE(loop.step(0ns));
}

TEST(EventLoop, SaysWhatToDoWithoutRdma) {
    const auto open = [] { messages::EventLoop{}; };
    try {
        open();
        GTEST_SKIP() << "there is RDMA here";
    } catch (const std::system_error& error) {
        expect_words(error.what(), {"cannot use the RDMA connection manager: ", "("});
    }
}

TEST(CmError, KnowsWhatToDo) {
    EXPECT_NE(messages::cm_error_hint("create_event_channel", ENODEV), "");
    EXPECT_EQ(messages::cm_error_hint("create_event_channel", EIO), "");
    EXPECT_NE(messages::cm_error_hint("anything", EMFILE), "");
}

}  // namespace
}  // namespace pktverbs::testing
