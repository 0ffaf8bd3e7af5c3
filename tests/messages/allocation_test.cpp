// SPDX-License-Identifier: Apache-2.0
// Every allocation fails, once or from there on: the process goes on, nothing is left over, and work continues once
// there is memory.
#include <gtest/gtest.h>

#include <cerrno>
#include <cstdlib>
#include <new>
#include <optional>
#include <system_error>

#include "pair.hpp"

namespace {

thread_local int allocations_left = -1;  ///< until one fails; below 0: none does
thread_local bool only_once = true;

bool is_due() noexcept {
    if (allocations_left < 0 || pktverbs::testing::FakeFabric::inside != 0) return false;
    if (allocations_left > 0) {
        --allocations_left;
        return false;
    }
    if (only_once) allocations_left = -1;
    return true;
}

}  // namespace

void* operator new(std::size_t size) {
    void* const memory = is_due() ? nullptr : std::malloc(size != 0 ? size : 1);
    if (!memory) throw std::bad_alloc{};
    return memory;
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }

namespace pktverbs::testing {
namespace {

/// The events of one socket's handlers, without texts.
struct Counts {
    int established = 0;
    int messages = 0;
    int disconnected = 0;
    int errors = 0;

    messages::SocketHandlers handlers() {
        return {
            .established = [this](auto&) { ++established; },
            .message = [this](auto&, messages::Message) { ++messages; },
            .disconnected = [this](auto&, std::error_code) { ++disconnected; },
            .error = [this](auto&, const std::system_error&) { ++errors; },
        };
    }
};

/// A listener and a client, each on a loop. Calls that throw for lack of memory are repeated once.
struct World {
    FakeFabric fabric;
    Counts at_server;
    Counts at_client;
    std::optional<Loop> server_loop;
    std::optional<Loop> client_loop;
    std::optional<messages::Listener> listener;
    std::optional<messages::Socket> server;
    std::optional<messages::Socket> client;
    int refusals = 0;

    template <class Deed>
    void attempt(Deed&& deed) {
        try {
            deed();
        } catch (const std::bad_alloc&) {
            ++refusals;
        } catch (const std::system_error& error) {
            ++refusals;
            EXPECT_EQ(error.code().value(), ENOMEM);
        }
    }
    void settle() {
        for (int i = 0; i < 1000; ++i) {
            bool did = false;
            for (auto* loop : {&server_loop, &client_loop})
                if (*loop) {
                    bool stepped = true;
                    attempt([&] { stepped = (*loop)->step(0ns); });
                    did = did || stepped;
                }
            if (!did) return;
        }
        allocations_left = -1;
        ADD_FAILURE() << "it never settles";
    }
    void open() {
        attempt([&] { server_loop.emplace(fabric.manager()); });
        attempt([&] { client_loop.emplace(fabric.manager()); });
        if (!server_loop || !client_loop) return;
        attempt([&] {
            listener.emplace(*server_loop, messages::Address{}, small,
                             messages::ListenerHandlers{.request = [this](messages::Request request) {
                                 server.emplace(request.accept(at_server.handlers()));
                             }});
        });
    }
    void connect() {
        at_client = {};
        if (client_loop) attempt([&] { client.emplace(*client_loop, "10.0.0.2", small, at_client.handlers()); });
    }
    void talk() {
        for (auto* socket : {&client, &server})
            for (int i = 0; i < 3 && *socket; ++i) {
                auto message = (*socket)->try_acquire();
                if (message) attempt([&] { static_cast<void>((*socket)->try_send(std::move(message))); });
            }
        settle();
    }
};

/// Whether the nth allocation was reached.
bool run(int nth, bool once) {
    SCOPED_TRACE(nth);
    World world;
    allocations_left = nth;
    only_once = once;
    world.open();
    world.connect();
    world.settle();
    world.talk();
    if (world.client) world.client->disconnect();
    world.settle();
    const bool was_reached = once ? allocations_left < 0 : allocations_left == 0;
    allocations_left = -1;
    world.settle();
    if (world.client) {
        EXPECT_EQ(world.at_client.disconnected, 1) << "every failure is reported";
        EXPECT_LE(world.at_client.errors, 1);
    }
    EXPECT_LE(world.at_server.disconnected, 1);
    if (!was_reached) {
        EXPECT_EQ(world.at_server.messages, 3);
        EXPECT_EQ(world.at_client.messages, 3);
        EXPECT_EQ(world.refusals, 0);
    }
    // With memory back, the existing objects work on.
    if (world.listener && world.client_loop) {
        world.at_server = {};
        world.connect();
        world.settle();
        world.talk();
        EXPECT_EQ(world.at_client.established, 1);
        EXPECT_EQ(world.at_server.messages, 3);
        EXPECT_EQ(world.at_client.messages, 3);
    }
    return was_reached;
}

TEST(Allocation, MayFailAnywhereOnce) {
    int nth = 0;
    while (run(nth, true)) ++nth;
    EXPECT_GT(nth, 50);
}

TEST(Allocation, MayFailFromAnywhereOn) {
    int nth = 0;
    while (run(nth, false)) ++nth;
    EXPECT_GT(nth, 50);
}

}  // namespace
}  // namespace pktverbs::testing
