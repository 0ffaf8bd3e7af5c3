// SPDX-License-Identifier: Apache-2.0
// The code of docs/messages.md that has frames, too: on a wire, and a fabric in memory.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <stop_token>
#include <vector>

#include "../messages/fake_fabric.hpp"

#include <pktverbs/soft/wire.hpp>

// [frames-headers]
#include <pktverbs/async/recv.hpp>
#include <pktverbs/messages/messages.hpp>
#include <pktverbs/pktverbs.hpp>
// [/frames-headers]

namespace {

using namespace pktverbs::messages;
using pktverbs::Context;
using pktverbs::no_timeout;
using pktverbs::RecvList;
using pktverbs::async::Executor;
using pktverbs::async::Task;

// [frames]
Task<> forward(Context& ctx, Messenger& messenger, std::stop_token stop) {
    Socket socket = co_await messenger.connect("10.0.0.2");
    for (;;) {
        const RecvList packets = co_await ctx.async_recv(no_timeout, stop);
        if (packets.empty()) break;  // stopped, or the device failed
        for (const auto& pkt : packets) {
            auto message = co_await socket.acquire();
            if (!message) co_return;
            message->resize(pkt.bytes().size());
            std::ranges::copy(pkt.bytes(), message->bytes().begin());
            if (co_await socket.send(std::move(*message))) co_return;
        }
    }
    socket.disconnect();
}
// [/frames]

TEST(FramesAndMessagesSnippets, Forward) {
    pktverbs::testing::FakeFabric fabric;
    std::stop_source stopping;
    const std::stop_token stop = stopping.get_token();
    // [frames-executor]
    Context ctx{"wire:forward"};
    const pktverbs::Flow flow = ctx.install(pktverbs::FlowRule{});
    Executor executor;  // after what its tasks use, so that it ends first
    Messenger messenger{executor, fabric.manager()};
    executor.spawn(forward(ctx, messenger, stop));
    // [/frames-executor]
    pktverbs::soft::WireTap world{"forward"};
    Listener listener{messenger, Address{}};
    std::vector<std::size_t> sizes;
    executor.spawn([](Listener& from, std::vector<std::size_t>& to, std::stop_source& done) -> Task<> {
        auto socket = co_await from.accept();
        while (auto message = co_await socket->receive()) {
            to.push_back(message->size());
            if (to.size() == 2) done.request_stop();
        }
    }(listener, sizes, stopping));
    for (const std::size_t size : {64U, 100U}) world.send(std::vector<std::uint8_t>(size, 0xff));
    executor.run(stop);
    EXPECT_EQ(sizes, (std::vector<std::size_t>{64, 100}));
}

}  // namespace
