// SPDX-License-Identifier: Apache-2.0
// Every object is ended at every stage, in every order; the fabric checks that nothing is left over.
#include <gtest/gtest.h>

#include <functional>
#include <memory>

#include "pair.hpp"

namespace pktverbs::testing {
namespace {

/// One small step of either end, counted, until the stage is reached.
bool advance(Pair& pair, int stages) {
    for (int i = 0; i < stages; ++i) {
        const bool at_server = pair.server_loop.step(0ns);
        const bool at_client = pair.client_loop.step(0ns);
        if (!at_server && !at_client) return false;
    }
    return true;
}

/// Calls `end` after 0, 1, 2, ... steps of a connection with messages each way, until there are no more.
void end_at_every_stage(const std::function<void(Pair&)>& end) {
    for (int stages = 0;; ++stages) {
        Pair pair;
        pair.listen();
        pair.connect();
        bool goes_on = advance(pair, stages);
        if (pair.client->is_established()) {
            for (int i = 0; i < 3; ++i) static_cast<void>(send_text(*pair.client, "to"));
            if (pair.server) static_cast<void>(send_text(*pair.server, "fro"));
        }
        end(pair);
        pair.settle();
        if (!goes_on) {
            EXPECT_GT(stages, 2);
            return;
        }
    }
}

TEST(Lifetime, TheClientEnds) {
    end_at_every_stage([](Pair& pair) { pair.client.reset(); });
}
TEST(Lifetime, TheClientLeaves) {
    end_at_every_stage([](Pair& pair) {
        pair.client->disconnect();
        pair.settle();
        EXPECT_EQ(pair.client_notes.disconnected, 1);
    });
}
TEST(Lifetime, TheServerEnds) {
    end_at_every_stage([](Pair& pair) { pair.server.reset(); });
}
TEST(Lifetime, TheServerLeaves) {
    end_at_every_stage([](Pair& pair) {
        if (pair.server) pair.server->disconnect();
    });
}
TEST(Lifetime, TheListenerEnds) {
    end_at_every_stage([](Pair& pair) { pair.listener.reset(); });
}
TEST(Lifetime, BothEnd) {
    end_at_every_stage([](Pair& pair) {
        pair.client.reset();
        pair.server.reset();
    });
}
TEST(Lifetime, BothLeave) {
    end_at_every_stage([](Pair& pair) {
        pair.client->disconnect();
        if (pair.server) pair.server->disconnect();
    });
}

/// A pair whose loops can end before the rest.
struct LooseEnds {
    FakeFabric fabric;
    std::unique_ptr<Loop> loop = std::make_unique<Loop>(fabric.manager());
    std::optional<messages::Request> request;
    std::optional<messages::Socket> server;
    std::optional<messages::Listener> listener{
        std::in_place, *loop, messages::Address{}, small,
        messages::ListenerHandlers{.request = [this](messages::Request asked) { request.emplace(std::move(asked)); }}};
    messages::Socket client{*loop, "10.0.0.2", small};

    void settle() {
        while (loop->step(0ns)) continue;
    }
    void establish() {
        settle();
        server.emplace(request->accept());
        settle();
    }
};

TEST(Lifetime, TheLoopEndsFirst) {
    LooseEnds ends;
    ends.establish();
    ASSERT_TRUE(ends.client.is_established());
    ends.loop.reset();
    EXPECT_FALSE(ends.client.is_established());
    EXPECT_FALSE(ends.client.try_acquire());
    EXPECT_EQ(ends.client.raw(), nullptr);
    ends.client.disconnect();
}

TEST(Lifetime, TheLoopEndsBeforeARequestIsAnswered) {
    LooseEnds ends;
    ends.settle();
    ASSERT_TRUE(ends.request);
    ends.loop.reset();
    EXPECT_THROW(static_cast<void>(ends.request->accept()), std::system_error);
    ends.request->reject("too late");
}

TEST(Lifetime, ARequestThatIsForgottenIsRejected) {
    LooseEnds ends;
    ends.settle();
    ends.request.reset();
    ends.settle();
    EXPECT_EQ(ends.client.try_send({}), std::errc::not_connected);
}

TEST(Lifetime, ARequestIsAnsweredOnce) {
    LooseEnds ends;
    ends.establish();
    EXPECT_THROW(static_cast<void>(ends.request->accept()), std::system_error);
    ends.request->reject();  // not any more
    ends.settle();
    EXPECT_TRUE(ends.client.is_established());
}

TEST(Lifetime, MessagesOutliveSocketAndLoop) {
    LooseEnds ends;
    ends.establish();
    messages::Message acquired = ends.client.try_acquire();
    auto sent = ends.client.try_acquire();
    sent.resize(3);
    std::fill_n(sent.bytes().begin(), 3, std::uint8_t{'m'});
    ASSERT_FALSE(ends.client.try_send(std::move(sent)));
    ends.settle();
    messages::Message received = ends.server->try_receive();
    ASSERT_EQ(received.size(), 3U);
    ends.server.reset();
    ends.settle();
    EXPECT_EQ(received.bytes()[2], 'm');
    ends.loop.reset();
    acquired.resize(100);
    std::fill_n(acquired.bytes().begin(), 100, std::uint8_t{1});
    EXPECT_EQ(received.bytes()[2], 'm');
    received = {};
}

TEST(Lifetime, WhatWasReceivedCanBeTakenAfterTheEnd) {
    LooseEnds ends;
    ends.establish();
    auto message = ends.client.try_acquire();
    message.resize(1);
    ASSERT_FALSE(ends.client.try_send(std::move(message)));
    ends.settle();
    ends.client.disconnect();
    ends.settle();
    EXPECT_EQ(ends.server->try_receive().size(), 1U);
    EXPECT_FALSE(ends.server->try_receive());
}

TEST(Lifetime, ASocketEndsInEachOfItsHandlers) {
    for (const char* in : {"established", "message", "sent", "writable", "disconnected", "error"}) {
        const std::string name = in;
        Pair pair;
        int calls = 0;
        const auto end = [&] {
            ++calls;
            pair.client.reset();
        };
        messages::SocketHandlers handlers;
        if (name == "established") handlers.established = [&](auto&) { end(); };
        if (name == "message") handlers.message = [&](auto&, messages::Message) { end(); };
        if (name == "sent") handlers.sent = [&](auto&, messages::Message) { end(); };
        if (name == "writable") handlers.writable = [&](auto&) { end(); };
        if (name == "disconnected") handlers.disconnected = [&](auto&, std::error_code) { end(); };
        if (name == "error") handlers.error = [&](auto&, const std::system_error&) { end(); };
        pair.listen();
        pair.client.emplace(pair.client_loop, "10.0.0.2", small, std::move(handlers));
        pair.settle();
        if (name != "established") {
            for (int i = 0; i < 6; ++i) static_cast<void>(send_text(*pair.client, "x"));
            for (int i = 0; i < 3; ++i) static_cast<void>(send_text(*pair.server, "y"));
        }
        pair.settle();
        if (name == "error") pair.fabric.forge_event(pair.client->raw()->qp_num, RDMA_CM_EVENT_DEVICE_REMOVAL, 0);
        if (name == "disconnected") pair.server.reset();
        pair.settle();
        EXPECT_EQ(calls, 1) << name;
        EXPECT_FALSE(pair.client) << name;
    }
}

TEST(Lifetime, AListenerEndsInEachOfItsHandlers) {
    for (const bool removed : {false, true}) {
        Pair pair;
        auto held = std::make_shared<int>();
        const std::weak_ptr<int> seen = held;
        int calls = 0;
        auto end = [&pair, &calls, seen, held = std::move(held)](const auto&) {
            pair.listener.reset();
            // The called object must still exist.
            calls += seen.expired() ? 100 : 1;
        };
        messages::ListenerHandlers handlers;
        if (removed)
            handlers.error = std::move(end);
        else
            handlers.request = std::move(end);
        pair.listener.emplace(pair.server_loop, messages::Address{}, small, std::move(handlers));
        if (removed)
            pair.fabric.forge_event(0, RDMA_CM_EVENT_DEVICE_REMOVAL, 0);
        else
            pair.connect();
        pair.settle();
        EXPECT_EQ(calls, 1);
    }
}

TEST(Lifetime, SocketsAreMoved) {
    Pair pair;
    pair.establish();
    messages::Socket moved{std::move(*pair.client)};
    pair.client.reset();
    ASSERT_FALSE(send_text(moved, "moved"));
    pair.settle();
    EXPECT_EQ(pair.client_notes.sent, 1);
    messages::Socket other{pair.client_loop, "10.0.0.2", small};
    other = std::move(moved);  // ends the previous one
    pair.settle();
    ASSERT_FALSE(send_text(other, "again"));
    pair.settle();
    EXPECT_EQ(pair.server_notes.received.size(), 2U);
}

}  // namespace
}  // namespace pktverbs::testing
