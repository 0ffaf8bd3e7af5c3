// SPDX-License-Identifier: Apache-2.0
// The code in docs/waiting.md that needs nothing but the library: see api_snippets.cpp.
#include <gtest/gtest.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <stdexcept>
#include <thread>
#include <vector>

#include <pktverbs/soft/wire.hpp>

// [coroutine-headers]
#include <pktverbs/async/recv.hpp>
#include <pktverbs/async/send.hpp>
#include <pktverbs/async/sleep.hpp>
#include <pktverbs/pktverbs.hpp>
// [/coroutine-headers]

namespace waiting {
namespace {

using namespace pktverbs;
using namespace std::chrono_literals;

std::atomic<std::size_t> consumed = 0;
void consume(const RecvPkt&) { ++consumed; }

std::vector<std::uint8_t> frame() { return std::vector<std::uint8_t>(64, 0xff); }

// [coroutine]
async::Task<> receive(Queue& queue, std::stop_token stop) {
    for (;;) {
        const RecvList packets = co_await queue.async_recv(no_timeout, stop);
        if (packets.outcome() == Outcome::stopped) co_return;
        if (packets.empty()) throw std::runtime_error{"the queue or the device failed"};
        for (const auto& pkt : packets) consume(pkt);
    }
}
async::Task<> send_slowly(Queue& queue, std::stop_token stop) {
    while (co_await async::sleep(1ms, stop)) {
        SendList packets = co_await async::acquire(queue, 8, no_timeout, stop);
        for (auto& pkt : packets) pkt.set_length(64);
        queue.send(std::move(packets));
    }
    co_await async::flush(queue, 1s);
}
// [/coroutine]

TEST(WaitingSnippets, Executor) {
    consumed = 0;
    std::stop_source source;
    const std::stop_token stop = source.get_token();
    soft::WireTap world{"waiting"};
    const std::jthread another{[&] {
        for (; consumed <= 3; std::this_thread::yield()) world.send(frame());
        source.request_stop();
    }};
    // [executor]
    Context ctx{"wire:waiting", {.queues = 2}};
    const Flow flow = ctx.install(FlowRule{}, 1);
    async::Executor executor;  // after what its tasks use, so that it ends first
    executor.spawn(receive(ctx.queue(0), stop));
    executor.spawn(receive(ctx.queue(1), stop));
    executor.spawn(send_slowly(ctx.queue(0), stop));
    executor.run();  // until the last task has ended
    // [/executor]
    EXPECT_GT(consumed, 3u);
}

TEST(WaitingSnippets, Descriptor) {
    consumed = 0;
    Context ctx{"wire:descriptor"};
    const Flow flow = ctx.install(FlowRule{});
    soft::WireTap world{"descriptor"};
    const int epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    const std::jthread sender{[&] {
        for (int i = 0; i < 3; ++i) world.send(frame());
    }};
    // [descriptor]
    epoll_event event{.events = EPOLLIN, .data = {.fd = ctx.fd()}};
    epoll_ctl(epoll_fd, EPOLL_CTL_ADD, ctx.fd(), &event);
    while (consumed < 3) {
        ctx.drain();  // what woke us
        if (!ctx.arm()) break;
        RecvList packets;
        for (packets = ctx.recv(0ns); !packets.empty(); packets = ctx.recv(0ns))
            for (const auto& pkt : packets) consume(pkt);
        if (packets.outcome() != Outcome::timeout) break;  // the queue or the device failed
        if (consumed < 3) epoll_wait(epoll_fd, &event, 1, -1);
    }
    // [/descriptor]
    EXPECT_EQ(consumed, 3u);
    close(epoll_fd);
}

}  // namespace
}  // namespace waiting
