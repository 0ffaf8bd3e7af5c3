// SPDX-License-Identifier: Apache-2.0
// Frames and messages in one thread, on one executor.
#include <cstdint>
#include <cstring>
#include <optional>
#include <thread>

#include <pktverbs/async/recv.hpp>
#include <pktverbs/async/send.hpp>
#include <pktverbs/async/sleep.hpp>
#include <pktverbs/messages/messages.hpp>

#include "fake_fabric.hpp"
#include "wired.hpp"

namespace pktverbs::testing {
namespace {

using async::Task;

constexpr std::uint32_t rounds = 100;

/// A gateway: what comes as a frame goes on as a message. At the other end of the connection, a message makes the next
/// frame, so neither goes on without the other.
class FramesAndMessages : public Wired {
public:
    std::uint32_t number_in(const messages::Message& message) const {
        std::uint32_t number = 0;
        EXPECT_EQ(message.size(), sizeof number);
        std::memcpy(&number, message.bytes().data(), sizeof number);
        return number;
    }

    /// Frames to messages.
    Task<> forward() {
        messages::Socket socket = co_await messenger.connect("10.0.0.2");
        plant();  // the first
        while (forwarded.size() < rounds) {
            const RecvList list = co_await ctx.async_recv(no_timeout, stop.get_token());
            if (list.empty()) break;
            for (const RecvPkt& pkt : list) {
                auto message = co_await socket.acquire();
                const std::uint32_t number = number_of(pkt.bytes());
                message->resize(sizeof number);
                std::memcpy(message->bytes().data(), &number, sizeof number);
                EXPECT_FALSE(co_await socket.send(std::move(*message)));
                forwarded.push_back(number);
                in_thread &= std::this_thread::get_id() == thread;
            }
        }
        socket.disconnect();
        while (co_await socket.receive()) continue;
    }

    /// Messages to frames.
    Task<> answer(messages::Listener& listener) {
        auto socket = co_await listener.accept();
        while (auto message = co_await socket->receive()) {
            received.push_back(number_in(*message));
            in_thread &= std::this_thread::get_id() == thread;
            SendList list = co_await async::acquire(sender.queue(0), 1);
            sender.queue(0).send(filled(std::move(list), received.back() + 1));
        }
    }

    const std::thread::id thread = std::this_thread::get_id();
    FakeFabric fabric;
    Context ctx = open();
    Flow flow = hear(ctx);
    Context sender = open();
    std::stop_source stop;
    async::Executor executor;
    messages::Messenger messenger{executor, fabric.manager()};
    Numbers forwarded;
    Numbers received;
    bool in_thread = true;
};

Numbers counted() {
    Numbers all(rounds);
    for (std::uint32_t i = 0; i < rounds; ++i) all[i] = i;
    return all;
}

TEST_F(FramesAndMessages, ShareOneExecutorInOneThread) {
    std::optional<messages::Listener> listener{std::in_place, messenger, messages::Address{}};
    executor.spawn(forward());
    executor.spawn([](FramesAndMessages& test, std::optional<messages::Listener>& from) -> Task<> {
        co_await test.answer(*from);
        from.reset();  // nothing is left to wait for
    }(*this, listener));
    EXPECT_TRUE(executor.run());
    EXPECT_EQ(forwarded, counted());
    EXPECT_EQ(received, counted());
    EXPECT_TRUE(in_thread);
}

TEST_F(FramesAndMessages, ShareItWithHandlersAndTimers) {
    std::optional<messages::Socket> accepted;
    std::optional<messages::Listener> listener;
    listener.emplace(messenger, messages::Address{}, messages::Options{},
                     messages::ListenerHandlers{.request = [&](messages::Request request) {
                         accepted.emplace(request.accept({
                             .message =
                                 [&](messages::Socket&, const messages::Message& message) {
                                     received.push_back(number_in(message));
                                     plant(1, received.back() + 1);
                                 },
                             .disconnected = [&](messages::Socket&, std::error_code) { listener.reset(); },
                         }));
                     }});
    int naps = 0;
    bool is_forwarding = true;
    executor.spawn([](int& count, const bool& until_false) -> Task<> {
        do {
            co_await async::sleep(1us);
            ++count;
        } while (until_false);
    }(naps, is_forwarding));
    executor.spawn([](Task<> forwarding, bool& is_running) -> Task<> {
        co_await forwarding;
        is_running = false;
    }(forward(), is_forwarding));
    EXPECT_TRUE(executor.run());
    EXPECT_EQ(forwarded, counted());
    EXPECT_EQ(received, counted());
    EXPECT_GT(naps, 0);
}

TEST_F(FramesAndMessages, GoOnWhenTheMessengerEnds) {
    const messages::Listener listener{messenger, messages::Address{}};
    std::optional<messages::Messenger> another{std::in_place, executor, fabric.manager()};
    bool has_ended = false;
    executor.spawn([](messages::Messenger& on, bool& ended) -> Task<> {
        messages::Socket socket{on, "10.0.0.2"};
        ended = !co_await socket.receive();
    }(*another, has_ended));
    Numbers got;
    executor.spawn([](Context& from, Numbers& numbers, std::stop_token until) -> Task<> {
        for (;;) {
            const RecvList list = co_await from.async_recv(no_timeout, until);
            if (list.empty()) co_return;
            for (const RecvPkt& pkt : list) numbers.push_back(number_of(pkt.bytes()));
        }
    }(ctx, got, stop.get_token()));
    EXPECT_FALSE(executor.run_for(0ns));
    another.reset();
    EXPECT_FALSE(has_ended) << "nothing is resumed inside a destructor";
    plant(3);
    while (executor.step(0ns)) continue;
    EXPECT_TRUE(has_ended);
    EXPECT_EQ(got, (Numbers{0, 1, 2}));
    stop.request_stop();
    EXPECT_FALSE(executor.run_for(0ns)) << "the listener still listens";
}

}  // namespace
}  // namespace pktverbs::testing
