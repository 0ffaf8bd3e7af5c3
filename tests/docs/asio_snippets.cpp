// SPDX-License-Identifier: Apache-2.0
// The code in docs/waiting.md that needs Asio.
#include <gtest/gtest.h>

#include <cstdint>
#include <vector>

#include <pktverbs/soft/wire.hpp>

// [headers]
#include <asio/io_context.hpp>
#include <pktverbs/asio/receiver.hpp>
#include <pktverbs/pktverbs.hpp>
// [/headers]

namespace {

using namespace pktverbs;

std::size_t consumed = 0;
void consume(const RecvPkt&) { ++consumed; }

// [asio]
struct Capture {
    async::AsioReceiver<Context>& receiver;
    void start() {
        receiver.async_recv([this](std::error_code error, const RecvList& packets) {
            if (error) return;  // cancelled, or packets.outcome() says what failed
            for (const auto& pkt : packets) consume(pkt);
            start();
        });
    }
};
// [/asio]

TEST(WaitingSnippets, Asio) {
    Context ctx{"wire:asio"};
    const Flow flow = ctx.install(FlowRule{});
    // [receiver]
    asio::io_context io;
    async::AsioReceiver receiver{io, ctx};  // after the context, so that it ends first
    Capture capture{receiver};
    capture.start();  // and then io.run()
    // [/receiver]
    io.poll();
    soft::WireTap world{"asio"};
    for (int i = 0; i < 3; ++i) world.send(std::vector<std::uint8_t>(64, 0xff));
    while (consumed < 3) io.run_one();
    receiver.cancel();
    io.run();
    EXPECT_EQ(consumed, 3u);
}

}  // namespace
