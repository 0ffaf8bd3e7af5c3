// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <future>
#include <thread>

#include "../async/own_coroutine.hpp"
#include "expect_error.hpp"
#include "messages/error.hpp"
#include "pair.hpp"

namespace pktverbs::testing {
namespace {

bool is_readable(int fd) {
    pollfd readable{fd, POLLIN, 0};
    return ::poll(&readable, 1, 0) == 1;
}

TEST(Messenger, RunsInAThreadOfItsOwn) {
    FakeFabric fabric;
    std::promise<std::string> answer;
    {
        Loop server{fabric.manager()};
        Loop client{fabric.manager()};
        std::optional<messages::Listener> listener;
        std::optional<messages::Socket> accepted;
        std::optional<messages::Socket> connected;
        listener.emplace(server, messages::Address{}, small,
                         messages::ListenerHandlers{.request = [&](messages::Request request) {
                             accepted.emplace(request.accept({.message = [](auto& socket, messages::Message message) {
                                 EXPECT_FALSE(socket.try_send(std::move(message)));
                             }}));
                         }});
        client.executor.post([&] {
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
        std::jthread server_thread{[&](const std::stop_token& stop) { server.executor.run(stop); }};
        std::jthread client_thread{[&](const std::stop_token& stop) { client.executor.run(stop); }};
        EXPECT_EQ(answer.get_future().get(), "there and back");
    }
}

TEST(Messenger, KeepsItsExecutorRunningWhileItListens) {
    FakeFabric fabric;
    Loop loop{fabric.manager()};
    EXPECT_TRUE(loop.executor.run());
    std::optional<messages::Listener> listener{std::in_place, loop, messages::Address{}, small};
    EXPECT_FALSE(loop.executor.run_for(0ns));
    std::stop_source source;
    loop.executor.post([&] { source.request_stop(); });
    EXPECT_FALSE(loop.executor.run(source.get_token()));
    EXPECT_FALSE(loop.executor.run(source.get_token())) << "also when it was asked before";
    listener.reset();
    EXPECT_TRUE(loop.executor.run());
}

TEST(Messenger, KeepsItsExecutorRunningUntilConnectionsHaveEnded) {
    Pair pair;
    pair.establish();
    EXPECT_FALSE(pair.client_loop.executor.run_for(0ns));
    pair.client.reset();
    EXPECT_FALSE(pair.client_loop.executor.run_for(0ns)) << "the peer's answer is still to come";
    pair.settle();
    EXPECT_TRUE(pair.client_loop.executor.run());
    pair.listener.reset();
    EXPECT_TRUE(pair.server_loop.executor.run()) << "a socket whose connection has ended is nothing to wait for";
    EXPECT_TRUE(pair.server);
}

TEST(Messenger, KeepsItsExecutorRunningWhileARequestWaits) {
    Pair pair;
    std::vector<messages::Request> requests;
    pair.listener.emplace(pair.server_loop, messages::Address{}, small,
                          messages::ListenerHandlers{
                              .request = [&](messages::Request request) { requests.push_back(std::move(request)); }});
    pair.connect();
    pair.connect();
    pair.settle();
    pair.listener.reset();
    ASSERT_FALSE(requests.empty());
    EXPECT_FALSE(pair.server_loop.executor.run_for(0ns));
    for (auto& request : requests) request.reject();
    EXPECT_TRUE(pair.server_loop.executor.run());
}

TEST(Messenger, LeavesItsExecutorWithNothingToWaitFor) {
    FakeFabric fabric;
    async::Executor executor;
    std::optional<messages::Messenger> messenger{std::in_place, executor, fabric.manager()};
    EXPECT_EQ(&messenger->executor(), &executor);
    const messages::Listener listener{*messenger, messages::Address{}, small};
    const messages::Socket client{*messenger, "10.0.0.2", small};
    executor.step(0ns);
    messenger.reset();
    EXPECT_TRUE(executor.run());
    messenger.emplace(executor, fabric.manager());
    fabric.is_silent = true;
    const messages::Socket another{*messenger, "10.0.0.2", small};
    EXPECT_FALSE(executor.run_for(0ns));
}

TEST(Messenger, DisconnectsItsPeersWhenItEnds) {
    FakeFabric fabric;
    std::optional<Loop> loop{std::in_place, fabric.manager()};
    messages::Listener listener{*loop, messages::Address{}, small};
    const auto wait = [](messages::Listener& from, std::string& said) -> OwnCoroutine {
        said = co_await from.request() ? "a request" : "no more";
    };
    std::string said;
    wait(listener, said);
    EXPECT_EQ(said, "");
    loop.reset();
    EXPECT_EQ(said, "no more");
}

TEST(Messenger, CallsWhatIsPostedInItsThread) {
    FakeFabric fabric;
    Loop loop{fabric.manager()};
    const messages::Listener listener{loop, messages::Address{}, small};
    std::thread::id in;
    std::jthread thread{[&](const std::stop_token& stop) { loop.executor.run(stop); }};
    std::promise<void> called;
    loop.executor.post([&] {
        in = std::this_thread::get_id();
        called.set_value();
    });
    called.get_future().wait();
    EXPECT_EQ(in, thread.get_id());
}

TEST(Messenger, ServesInsideAnotherEpollInstance) {
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
        for (int i = 0; i < got; ++i) static_cast<Loop*>(events[static_cast<std::size_t>(i)].data.ptr)->step(0ns);
        if (!pair.client->is_established() || std::exchange(sent, true)) continue;
        for (int i = 0; i < 4; ++i) ASSERT_FALSE(send_text(*pair.client, "x"));
    }
    pair.settle();
    EXPECT_EQ(pair.server_notes.received.size(), 4U);
    EXPECT_FALSE(is_readable(pair.client_loop.fd()));
    close(epoll);
}

TEST(Messenger, TakesMoreCompletionsThanOneTurnHas) {
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

TEST(Messenger, ReturnsFromAStepThatFeedsItself) {
    FakeFabric fabric;
    Loop loop{fabric.manager()};
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

TEST(Messenger, IsReadableWhenACallLeftItSomethingToDo) {
    Pair pair;
    pair.establish();
    EXPECT_FALSE(is_readable(pair.client_loop.fd()));
    const auto receive = [](messages::Socket& socket) -> async::Task<> { EXPECT_FALSE(co_await socket.receive()); };
    pair.client->set_handlers({});
    pair.client_loop.spawn(receive(*pair.client));
    pair.client_loop.step(0ns);
    EXPECT_FALSE(is_readable(pair.client_loop.fd()));
    pair.server->disconnect();
    EXPECT_TRUE(is_readable(pair.server_loop.fd()));
    pair.client.reset();
    EXPECT_TRUE(is_readable(pair.client_loop.fd())) << "a coroutine waits to be resumed";
    EXPECT_TRUE(pair.client_loop.step(0ns));  // before the peer's answer
    pair.settle();
}

TEST(Messenger, IsReadableWhenAListenerThatWasWaitedForEnds) {
    FakeFabric fabric;
    Loop loop{fabric.manager()};
    std::optional<messages::Listener> listener{std::in_place, loop, messages::Address{}, small};
    const auto wait = [](messages::Listener& from) -> async::Task<> { EXPECT_FALSE(co_await from.request()); };
    loop.spawn(wait(*listener));
    loop.step(0ns);
    EXPECT_FALSE(is_readable(loop.fd()));
    listener.reset();
    EXPECT_TRUE(is_readable(loop.fd()));
    EXPECT_TRUE(loop.step(0ns));
}

TEST(Messenger, AdvisesWhatToDoWithoutRdma) {
    const auto open = [] { Loop{messages::system_connection_manager()}; };
    try {
        open();
        GTEST_SKIP() << "there is RDMA here";
    } catch (const std::system_error& error) {
        expect_words(error.what(), {"cannot use the RDMA connection manager: ", "("});
    }
}

TEST(CmError, HasHints) {
    EXPECT_NE(messages::cm_error_hint("create_event_channel", ENODEV), "");
    EXPECT_EQ(messages::cm_error_hint("create_event_channel", EIO), "");
    EXPECT_NE(messages::cm_error_hint("anything", EMFILE), "");
}

}  // namespace
}  // namespace pktverbs::testing
