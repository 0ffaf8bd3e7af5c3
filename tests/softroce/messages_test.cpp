// SPDX-License-Identifier: Apache-2.0
// Messages against the kernel's connection manager and RDMA driver.
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <list>
#include <new>
#include <optional>
#include <stop_token>
#include <string>
#include <thread>

#include <pktverbs/messages/messages.hpp>

#include "expect_error.hpp"
#include "librdmacm_peer.hpp"
#include "rounds.hpp"
#include "softroce.hpp"

namespace {

std::atomic<std::uint64_t> allocations = 0;

}  // namespace

// Not inlined: the compiler would see free() after new.
[[gnu::noinline]] void* operator new(std::size_t bytes) {
    ++allocations;
    if (void* const memory = std::malloc(bytes)) return memory;
    throw std::bad_alloc{};
}
[[gnu::noinline]] void operator delete(void* memory) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }

namespace pktverbs::testing {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;
using messages::Message;
using messages::Socket;

constexpr const char* server_address = "10.198.52.2";

/// This machine's RDMA objects, by `rdma resource show`.
std::string rdma_objects() {
    std::string text;
    std::array<char, 256> line{};
    FILE* const pipe = popen("rdma resource show", "r");
    while (fgets(line.data(), static_cast<int>(line.size()), pipe)) text += line.data();
    pclose(pipe);
    // Contexts stay: librdmacm keeps the devices open.
    for (std::size_t at = 0; (at = text.find("ctx ", at)) != std::string::npos; ++at) text[at + 4] = '-';
    return text;
}

/// A message whose bytes all follow from its number.
void fill(Message& message, std::uint64_t number) {
    message.resize(sizeof number + number % 200);
    std::memcpy(message.bytes().data(), &number, sizeof number);
    for (std::size_t i = sizeof number; i < message.size(); ++i)
        message.bytes()[i] = static_cast<std::uint8_t>(number * 31 + i);
}

bool is_right(const Message& message, std::uint64_t number) {
    if (message.size() != sizeof number + number % 200) return false;
    if (std::memcmp(message.bytes().data(), &number, sizeof number) != 0) return false;
    for (std::size_t i = sizeof number; i < message.size(); ++i)
        if (message.bytes()[i] != static_cast<std::uint8_t>(number * 31 + i)) return false;
    return true;
}

class Messages : public ::testing::Test {
protected:
    void SetUp() override {
        if (!in_machine()) GTEST_SKIP() << "NOT TESTED: run this with scripts/softroce";
        before_ = rdma_objects();
    }
    void TearDown() override {
        if (!in_machine()) return;
        // The kernel destroys some objects after the call for it has returned.
        for (int i = 0; i < 50 && rdma_objects() != before_; ++i) std::this_thread::sleep_for(100ms);
        EXPECT_EQ(rdma_objects(), before_) << "something is left";
    }

private:
    std::string before_;
};

/// One direction of a connection: sends as fast as there is room, and checks what arrives.
class Stream {
public:
    explicit Stream(std::uint64_t count) : count_{count} {}

    messages::SocketHandlers handlers() {
        return {
            .established = [this](Socket& socket) { send(socket); },
            .message = [this](Socket&, Message message) { take(message); },
            .sent = [this](Socket& socket, Message message) { send(socket, std::move(message)); },
            .writable = [this](Socket& socket) { send(socket); },
            .error =
                [this](Socket&, const std::system_error& error) {
                    ADD_FAILURE() << error.what() << " after " << sent_ << " sent and " << received_ << " received";
                },
        };
    }
    std::uint64_t received() const noexcept { return received_; }
    bool is_done() const noexcept { return received_ == count_ && sent_ == count_; }

private:
    void send(Socket& socket, Message message) {
        if (sent_ == count_) return;
        fill(message, sent_);
        ASSERT_FALSE(socket.try_send(std::move(message)));
        ++sent_;
    }
    void send(Socket& socket) {
        while (sent_ != count_) {
            Message message = socket.try_acquire();
            if (!message) return;
            send(socket, std::move(message));
        }
    }
    void take(const Message& message) {
        ASSERT_TRUE(is_right(message, received_)) << received_;
        ++received_;
    }

    std::uint64_t count_;
    std::uint64_t sent_ = 0;
    std::atomic<std::uint64_t> received_ = 0;
};

TEST_F(Messages, ExchangesManyEachWayAtOnce) {
    const std::uint64_t count = testing::short_or_long<std::uint64_t>(3'000, 100'000);
    Stream at_server{count};
    Stream at_client{count};
    std::string devices;
    const auto start = Clock::now();
    {
        async::Executor server_executor;
        async::Executor client_executor;
        messages::Messenger server_messenger{server_executor};
        messages::Messenger client_messenger{client_executor};
        std::optional<Socket> server;
        const messages::Listener listener{
            server_messenger,
            *messages::Address::parse(server_address),
            {},
            {.request = [&](messages::Request request) { server.emplace(request.accept(at_server.handlers())); }}};
        std::jthread thread{[&] {
            while (!at_server.is_done() && Clock::now() < start + 400s) server_executor.step(100ms);
            devices += server->raw()->context->device->name;
        }};
        const Socket client{client_messenger, server_address, {}, at_client.handlers()};
        while (!at_client.is_done() && Clock::now() < start + 400s) client_executor.step(100ms);
        thread.join();
        devices += client.raw()->context->device->name;
    }
    const std::chrono::duration<double> time = Clock::now() - start;
    EXPECT_EQ(at_server.received(), count);
    EXPECT_EQ(at_client.received(), count);
    EXPECT_EQ(devices, "rxe1rxe0");
    std::printf("%.0f messages/s, both ways together\n", 2 * static_cast<double>(count) / time.count());
}

TEST_F(Messages, AllocateNothingWhileTheyFlow) {
    async::Executor executor;
    messages::Messenger messenger{executor};
    const messages::Options options{.keepalive = 0ms};
    std::optional<Socket> server;
    std::uint64_t echoed = 0;
    const messages::SocketHandlers echo{
        .message = [](Socket& socket, Message message) { EXPECT_FALSE(socket.try_send(std::move(message))); }};
    const messages::SocketHandlers count{.established =
                                             [](Socket& socket) {
                                                 for (int i = 0; i < 8; ++i)
                                                     EXPECT_FALSE(socket.try_send(socket.try_acquire()));
                                             },
                                         .message =
                                             [&](Socket& socket, Message message) {
                                                 ++echoed;
                                                 EXPECT_FALSE(socket.try_send(std::move(message)));
                                             }};
    const messages::Listener listener{
        messenger, messages::Address{}, options, {.request = [&](messages::Request request) {
            server.emplace(request.accept(echo));
        }}};
    const Socket client{messenger, server_address, options, count};
    const auto start = Clock::now();
    while (echoed < 1000 && Clock::now() < start + 30s) executor.step(100ms);
    const std::uint64_t before = allocations;
    while (echoed < 10'000 && Clock::now() < start + 60s) executor.step(100ms);
    EXPECT_EQ(allocations, before);
    EXPECT_GE(echoed, 10'000U);
}

TEST_F(Messages, HasManyConnectionsAtOnce) {
    constexpr std::size_t connections = 60;
    constexpr std::uint64_t count = 200;
    async::Executor executor;
    messages::Messenger messenger{executor};
    const messages::Options options{.message_bytes = 1024, .receives = 8, .sends = 8};
    std::list<Stream> streams;
    std::list<Socket> sockets;
    const messages::Listener listener{
        messenger, messages::Address{}, options, {.request = [&](messages::Request request) {
            sockets.push_back(request.accept(streams.emplace_back(count).handlers()));
        }}};
    for (std::size_t i = 0; i < connections; ++i)
        sockets.emplace_back(messenger, server_address, options, streams.emplace_back(count).handlers());
    const auto start = Clock::now();
    const auto are_done = [&] {
        return streams.size() == 2 * connections && std::ranges::all_of(streams, &Stream::is_done);
    };
    while (!are_done() && Clock::now() < start + 100s) executor.step(100ms);
    EXPECT_TRUE(are_done());
}

TEST_F(Messages, ConnectsAndLeavesAgainAndAgain) {
    const int times = short_or_long(50, 250);
    async::Executor executor;
    messages::Messenger messenger{executor};
    std::list<Socket> servers;
    int answered = 0;
    int left = 0;
    messages::SocketHandlers at_server;
    at_server.message = [](Socket& socket, Message message) { EXPECT_FALSE(socket.try_send(std::move(message))); };
    at_server.disconnected = [&](Socket& socket, std::error_code) {
        servers.remove_if([&](const Socket& one) { return &one == &socket; });
    };
    const messages::Listener listener{messenger, messages::Address{}, {}, {.request = [&](messages::Request request) {
                                          servers.push_back(request.accept(at_server));
                                      }}};
    Clock::duration worst{};
    for (int i = 0; i < times; ++i) {
        Clock::time_point established;
        messages::SocketHandlers at_client;
        at_client.established = [&](Socket& socket) {
            established = Clock::now();
            Message message = socket.try_acquire();
            fill(message, static_cast<std::uint64_t>(i));
            EXPECT_FALSE(socket.try_send(std::move(message)));
        };
        at_client.message = [&](Socket& socket, const Message& message) {
            worst = std::max(worst, Clock::now() - established);
            EXPECT_TRUE(is_right(message, static_cast<std::uint64_t>(i)));
            ++answered;
            socket.disconnect();
        };
        at_client.disconnected = [&](Socket&, std::error_code why) {
            EXPECT_FALSE(why);
            ++left;
        };
        at_client.error = [](Socket&, const std::system_error& error) { ADD_FAILURE() << error.what(); };
        const Socket client{messenger, server_address, {}, at_client};
        const auto start = Clock::now();
        while (left <= i && Clock::now() < start + 10s) executor.step(100ms);
        ASSERT_EQ(left, i + 1);
    }
    EXPECT_EQ(answered, times);
    // A round trip; a receive posted too late would make it 655 ms.
    EXPECT_LT(worst, 100ms);
    std::printf("the first message was there and back in %.3f ms at most\n",
                std::chrono::duration<double, std::milli>(worst).count());
}

/// Connects, sends one message and receives it back.
void expect_echo(const std::string& listen_at, const std::string& where) {
    async::Executor executor;
    messages::Messenger messenger{executor};
    const auto serve = [](messages::Listener& from) -> async::Task<> {
        while (auto socket = co_await from.accept())
            while (auto message = co_await socket->receive()) EXPECT_FALSE(co_await socket->send(std::move(*message)));
    };
    const auto ask = [](messages::Messenger& on, std::string peer, std::stop_source& done) -> async::Task<> {
        Socket socket = co_await on.connect(peer);
        auto message = co_await socket.acquire();
        fill(*message, 42);
        EXPECT_FALSE(co_await socket.send(std::move(*message)));
        const auto answer = co_await socket.receive();
        EXPECT_TRUE(answer && is_right(*answer, 42));
        done.request_stop();
    };
    messages::Listener listener{messenger, messages::Address::resolve(listen_at).front()};
    executor.spawn(serve(listener));
    std::stop_source done;
    executor.spawn(ask(messenger, where, done));
    executor.run(done.get_token());
}

TEST_F(Messages, GoByIpv6) { expect_echo("fd52::2", "fd52::2"); }
TEST_F(Messages, GoByIpv6AndPort) { expect_echo("[::]:777", "[fd52::2]:777"); }
TEST_F(Messages, GoByLinkLocalAddress) { expect_echo("[::]", "fe80::ff:fe00:5202%veth0"); }
TEST_F(Messages, GoByName) { expect_echo("[::]:4000", "rxe1:4000"); }

TEST_F(Messages, GiveUpWithoutAnAnswer) {
    async::Executor executor;
    messages::Messenger messenger{executor};
    for (const char* absent : {"10.198.52.99", "[fd52::99]:1"}) {
        const auto start = Clock::now();
        bool is_over = false;
        std::string words;
        const Socket socket{messenger,
                            absent,
                            {.connect_timeout = 500ms},
                            {.disconnected = [&](auto&, std::error_code) { is_over = true; },
                             .error = [&](auto&, const std::system_error& error) { words = error.what(); }}};
        while (!is_over && Clock::now() < start + 10s) executor.step(100ms);
        EXPECT_TRUE(is_over);
        EXPECT_LT(Clock::now() - start, 2s);
        expect_words(words, {"cannot connect to ", "("});
        std::printf("%s\n", words.c_str());
    }
}

TEST_F(Messages, ReportWhyTheyWereRejected) {
    async::Executor executor;
    messages::Messenger messenger{executor};
    const messages::Listener listener{messenger, messages::Address{}, {}, {.request = [](messages::Request request) {
                                          request.reject("come back tomorrow");
                                      }}};
    for (const auto& [where, words] : {std::pair{"10.198.52.2", "the peer's reason: come back tomorrow"},
                                       std::pair{"10.198.52.2:999", "no listener at this address"}}) {
        std::string report;
        const Socket socket{
            messenger, where, {}, {.error = [&](auto&, const std::system_error& error) { report = error.what(); }}};
        const auto start = Clock::now();
        while (report.empty() && Clock::now() < start + 10s) executor.step(100ms);
        expect_words(report, {"Connection refused", words});
    }
}

TEST_F(Messages, TakeTheSilenceOfAPeerForItsEnd) {
    async::Executor server_executor;
    async::Executor client_executor;
    messages::Messenger server_messenger{server_executor};
    messages::Messenger client_messenger{client_executor};
    std::optional<Socket> server;
    const messages::Listener listener{
        server_messenger, messages::Address{}, {.keepalive = 0ms}, {.request = [&](messages::Request request) {
            server.emplace(request.accept());
        }}};
    const messages::Options options{.keepalive = 100ms, .ack_timeout = 12, .retry_count = 3};
    std::optional<std::error_code> why;
    std::string words;
    const Socket client{client_messenger,
                        server_address,
                        options,
                        {.disconnected = [&](auto&, std::error_code code) { why = code; },
                         .error = [&](auto&, const std::system_error& error) { words = error.what(); }}};
    const auto run = [&](Clock::duration time) {
        for (const auto start = Clock::now(); !why && Clock::now() < start + time;) {
            server_executor.step(1ms);
            client_executor.step(1ms);
        }
    };
    run(1s);
    EXPECT_TRUE(client.is_established());
    EXPECT_TRUE(server->is_established());
    EXPECT_FALSE(why) << words;
    EXPECT_FALSE(server->try_receive()) << "a probe is no message";
    // The route to the peer is broken.
    ASSERT_EQ(std::system("ip neighbour replace 10.198.52.2 lladdr 02:00:00:00:99:99 dev veth0"), 0);
    const auto start = Clock::now();
    run(20s);
    EXPECT_EQ(std::system("ip neighbour replace 10.198.52.2 lladdr 02:00:00:00:52:02 dev veth0"), 0);
    ASSERT_TRUE(why);
    EXPECT_EQ(*why, std::errc::timed_out);
    expect_words(words, {"retry counter", "the peer no longer answers"});
    std::printf("noticed after %.3f s: %s\n", std::chrono::duration<double>(Clock::now() - start).count(),
                words.c_str());
}

TEST_F(Messages, GoToAProgramThatKnowsOnlyLibrdmacm) {
    // Few: its only receive is posted late, and earlier messages are retried after 655 ms.
    constexpr std::size_t count = 5;
    LibrdmacmPeer peer{server_address, count};
    {
        async::Executor executor;
        messages::Messenger messenger{executor};
        std::size_t answers = 0;
        std::size_t sent = 0;
        const auto send = [&](Socket& socket) {
            while (sent < count) {
                Message message = socket.try_acquire();
                if (!message) return;
                fill(message, sent);
                ASSERT_FALSE(socket.try_send(std::move(message)));
                ++sent;
            }
        };
        const messages::Options options{.keepalive = 100ms};
        Socket client{messenger,
                      server_address,
                      options,
                      {.established = send,
                       .message =
                           [&](auto&, const Message& message) {
                               EXPECT_TRUE(is_right(message, count - 1));
                               ++answers;
                           },
                       .writable = send,
                       .error = [](auto&, const std::system_error& error) { ADD_FAILURE() << error.what(); }}};
        const auto start = Clock::now();
        while (answers == 0 && Clock::now() < start + 60s) executor.step(100ms);
        EXPECT_EQ(answers, 1U);
        EXPECT_EQ(client.peer_message_bytes(), 4096U);
        Message message = client.try_acquire();
        message.resize(4097);
        expect_words(expect_error(EMSGSIZE, [&] { static_cast<void>(client.try_send(std::move(message))); }),
                     {"4097", "4096"});
        // Idle: its device answers probes.
        for (const auto idle = Clock::now(); Clock::now() < idle + 1s;) executor.step(100ms);
        EXPECT_TRUE(client.is_established());
        client.disconnect();
        while (client.raw() && Clock::now() < start + 60s) executor.step(100ms);
    }
    peer.join();
    EXPECT_EQ(peer.received().size(), count);
}

/// This program once more, as the other test's peer.
TEST(MessagesPeer, Echoes) {
    const char* const role = std::getenv("PKTVERBS_TEST_PEER");
    if (!role) GTEST_SKIP() << "it is the peer of another test";
    async::Executor executor;
    messages::Messenger messenger{executor};
    std::list<Socket> sockets;
    const messages::Listener listener{
        messenger, messages::Address{}, {}, {.request = [&](messages::Request request) {
            sockets.push_back(request.accept({.message = [](Socket& socket, Message message) {
                static_cast<void>(socket.try_send(std::move(message)));
            }}));
        }}};
    std::puts("ready");
    std::fflush(stdout);
    executor.run();
}

TEST_F(Messages, NoticeThatThePeerWasKilled) {
    std::array<int, 2> pipe{};
    ASSERT_EQ(::pipe(pipe.data()), 0);
    const pid_t child = fork();
    if (child == 0) {
        setenv("PKTVERBS_TEST_PEER", "echo", 1);
        dup2(pipe[1], STDOUT_FILENO);
        execl("/proc/self/exe", "messages_test", "--gtest_filter=MessagesPeer.*", nullptr);
        _exit(127);
    }
    close(pipe[1]);
    std::string said;
    std::array<char, 256> buffer{};
    while (said.find("ready") == std::string::npos) {
        const ssize_t got = read(pipe[0], buffer.data(), buffer.size());
        ASSERT_GT(got, 0) << said;
        said.append(buffer.data(), static_cast<std::size_t>(got));
    }
    async::Executor executor;
    messages::Messenger messenger{executor};
    Stream stream{UINT64_MAX};
    auto handlers = stream.handlers();
    std::optional<std::error_code> why;
    handlers.error = [](auto&, const std::system_error& error) { std::printf("%s\n", error.what()); };
    handlers.disconnected = [&](auto&, std::error_code code) { why = code; };
    const Socket client{messenger, server_address, {}, std::move(handlers)};
    auto start = Clock::now();
    while (stream.received() < 1000 && Clock::now() < start + 30s) executor.step(100ms);
    EXPECT_GE(stream.received(), 1000U);
    ASSERT_EQ(kill(child, SIGKILL), 0);
    start = Clock::now();
    while (!why && Clock::now() < start + 20s) executor.step(100ms);
    EXPECT_TRUE(why);
    std::printf("noticed after %.3f s: %s\n", std::chrono::duration<double>(Clock::now() - start).count(),
                why ? why->message().c_str() : "not");
    waitpid(child, nullptr, 0);
    close(pipe[0]);
}

}  // namespace
}  // namespace pktverbs::testing
