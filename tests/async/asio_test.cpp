// SPDX-License-Identifier: Apache-2.0
// AsioReceiver: every kind of completion token, many packets per wake-up, cancelling, and destruction.
#include <fcntl.h>
#include <asio/any_io_executor.hpp>
#include <asio/bind_cancellation_slot.hpp>
#include <asio/cancellation_signal.hpp>
#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/io_context.hpp>
#include <asio/steady_timer.hpp>
#include <asio/thread_pool.hpp>
#include <asio/use_awaitable.hpp>
#include <asio/use_future.hpp>

#include <future>
#include <memory>
#include <optional>
#include <random>
#include <thread>
#include <type_traits>
#include <utility>

#include <pktverbs/asio/receiver.hpp>

#include "async_wired.hpp"
#include "expect_error.hpp"

namespace pktverbs::testing {
namespace {

using ErrorCode = std::error_code;

class AsioReceive : public AsyncWired, public ::testing::WithParamInterface<std::uint32_t> {
protected:
    Context ctx = open(with_queues(GetParam()));
    Flow flow = hear(ctx, GetParam() - 1);
    asio::io_context io;
    async::AsioReceiver<Context> receiver{io, ctx};
    Numbers got;
    std::vector<std::size_t> batches;
    std::optional<ErrorCode> failure;

    void take(const RecvList& list) {
        batches.push_back(list.size());
        for (const RecvPkt& pkt : list) got.push_back(number_of(pkt.bytes()));
    }
    /// Receives again and again, until an error.
    void receive() {
        receiver.async_recv([this](ErrorCode error, const RecvList& list) {
            take(list);
            if (error)
                failure = error;
            else
                receive();
        });
    }
    /// Runs ready handlers, without waiting.
    void settle() {
        io.restart();
        io.poll();
    }
};
INSTANTIATE_TEST_SUITE_P(Queues, AsioReceive, ::testing::Values(1U, 3U));

TEST_P(AsioReceive, NeverCompletesInsideTheCallThatStartsIt) {
    plant(3);
    receiver.async_recv([this](ErrorCode error, const RecvList& list) {
        EXPECT_FALSE(error);
        take(list);
    });
    EXPECT_TRUE(got.empty());
    io.run();
    EXPECT_EQ(got, counted(3));
}

TEST_P(AsioReceive, WakesWithAllThatCameMeanwhile) {
    receive();
    settle();
    for (std::uint32_t turn = 0; turn < 100; ++turn) {
        plant(5, 5 * turn);
        settle();
    }
    EXPECT_EQ(got, counted(500));
    EXPECT_EQ(batches, std::vector<std::size_t>(100, 5));
    EXPECT_FALSE(failure);
}

TEST_P(AsioReceive, LeavesNothingBehindWhenBatchesAreShort) {
    for (std::uint32_t turn = 0; turn < 10; ++turn) {
        Numbers first;
        receiver.async_recv([&](ErrorCode, const RecvList& list) { first = numbers(list); });
        settle();
        plant(14, 14 * turn);  // 16 are posted: the first batch takes 8 from one queue's half
        settle();
        got.insert(got.end(), first.begin(), first.end());
        for (std::size_t before = 0; before != got.size();) {
            before = got.size();
            asio::cancellation_signal cancel;
            receiver.async_recv(
                asio::bind_cancellation_slot(cancel.slot(), [this](ErrorCode, const RecvList& list) { take(list); }));
            settle();
            cancel.emit(asio::cancellation_type::total);
            settle();
        }
    }
    EXPECT_EQ(got, counted(140));
}

TEST_P(AsioReceive, GivesFutures) {
    std::future<RecvList> first = receiver.async_recv(asio::use_future);
    std::jthread world_thread{[this] { plant(); }};
    io.run();
    EXPECT_EQ(first.get().size(), 1u);
}

#ifdef ASIO_HAS_CO_AWAIT
TEST_P(AsioReceive, IsAwaitedByAsiosCoroutines) {
    const auto receive_all = [](auto& from, Numbers& all, std::uint32_t count) -> asio::awaitable<void> {
        while (all.size() < count) {
            const RecvList list = co_await from.async_recv(asio::use_awaitable);
            for (const RecvPkt& pkt : list) all.push_back(number_of(pkt.bytes()));
        }
    };
    std::exception_ptr thrown;
    asio::co_spawn(io, receive_all(receiver, got, 90), [&](std::exception_ptr error) { thrown = error; });
    for (std::uint32_t turn = 0; turn < 30; ++turn) {
        settle();
        plant(3, 3 * turn);
    }
    io.restart();
    io.run();
    EXPECT_FALSE(thrown);
    EXPECT_EQ(got, counted(90));
}

TEST_P(AsioReceive, ThrowsInCoroutinesWhatEndsIt) {
    world.send(frame(0, 300));
    ErrorCode thrown;
    const auto receive_all = [](auto& from, ErrorCode& error) -> asio::awaitable<void> {
        try {
            for (;;) co_await from.async_recv(asio::use_awaitable);
        } catch (const std::system_error& failed) {
            error = failed.code();
        }
    };
    asio::co_spawn(io, receive_all(receiver, thrown), asio::detached);
    io.run();
    EXPECT_EQ(thrown, std::errc::io_error);
}
#endif

TEST_P(AsioReceive, CancelsBySlotWhileItWaits) {
    for (const auto type : {asio::cancellation_type::terminal, asio::cancellation_type::partial,
                            asio::cancellation_type::total, asio::cancellation_type::all}) {
        asio::cancellation_signal cancel;
        failure.reset();
        receiver.async_recv(asio::bind_cancellation_slot(cancel.slot(), [this](ErrorCode error, const RecvList& list) {
            failure = error;
            EXPECT_TRUE(list.empty());
        }));
        settle();
        EXPECT_FALSE(failure);
        cancel.emit(type);
        settle();
        EXPECT_EQ(failure, asio::error::operation_aborted);
    }
    plant(2);
    receiver.async_recv([this](ErrorCode, const RecvList& list) { take(list); });
    settle();
    EXPECT_EQ(got, counted(2));
}

TEST_P(AsioReceive, CancelsByTheReceiver) {
    receive();
    settle();
    receiver.cancel();
    settle();
    EXPECT_EQ(failure, asio::error::operation_aborted);
}

TEST_P(AsioReceive, GivesWhatItTookBeforeItWasCancelled) {
    plant(2);
    asio::cancellation_signal cancel;
    receiver.async_recv(asio::bind_cancellation_slot(cancel.slot(), [this](ErrorCode error, const RecvList& list) {
        failure = error;
        take(list);
    }));
    cancel.emit(asio::cancellation_type::all);
    io.run();
    EXPECT_EQ(failure, ErrorCode{});
    EXPECT_EQ(got, counted(2));
}

TEST_P(AsioReceive, LeavesToTheNextWhatCameWhenItWasCancelled) {
    asio::cancellation_signal cancel;
    receiver.async_recv(
        asio::bind_cancellation_slot(cancel.slot(), [this](ErrorCode error, const RecvList&) { failure = error; }));
    settle();
    plant(2);
    cancel.emit(asio::cancellation_type::total);
    settle();
    EXPECT_EQ(failure, asio::error::operation_aborted);
    EXPECT_EQ(numbers(ctx.recv(0ns)), counted(2));
}

TEST_P(AsioReceive, CancelsWhenTheReceiverEnds) {
    Context other = open(with_queues(GetParam()));
    const Flow other_flow = hear(other);
    auto own = std::make_unique<async::AsioReceiver<Context>>(io, other);
    own->async_recv([this](ErrorCode error, const RecvList&) { failure = error; });
    settle();
    own.reset();
    settle();
    EXPECT_EQ(failure, asio::error::operation_aborted);
    EXPECT_NE(fcntl(other.fd(), F_GETFD), -1) << "the descriptor is the context's";
    std::jthread world_thread{[this] { plant(); }};
    EXPECT_EQ(other.recv(no_timeout).size(), 1u);
}

TEST_P(AsioReceive, ReportsThatTheQueueIsInError) {
    Outcome outcome = Outcome::timeout;
    world.send(frame(0, 300));
    receiver.async_recv([&](ErrorCode error, const RecvList& list) {
        EXPECT_FALSE(error);
        EXPECT_FALSE(list.front().ok());
        receiver.async_recv([&](ErrorCode then, const RecvList& none) {
            failure = then;
            outcome = none.outcome();
        });
    });
    io.run();
    EXPECT_EQ(failure, std::errc::io_error);
    EXPECT_EQ(outcome, Outcome::queue_error);
}

TEST_P(AsioReceive, ReceivesEveryPacketOfAnotherThread) {
    const std::uint32_t count = races(20000);
    const Queue& queue = ctx.queue(GetParam() - 1);
    receive();
    std::jthread world_thread{[&] {
        for (std::uint32_t i = 0; i < count; ++i) {
            plant(1, i);
            // No more than the posted packets: lists in handlers hold some, and a batch of 8 may be half counted.
            for (Stats stats = queue.stats(); i + 9 - stats.recv_packets >= stats.posted_now; stats = queue.stats())
                std::this_thread::yield();
        }
    }};
    while (got.size() < count)
        if (io.run_one_for(3s) == 0) FAIL() << got.size() << " of " << count << " came: " << ctx.stats().to_string();
    EXPECT_EQ(got, counted(count));
}

/// Cancelled before it waits, while it waits, or as its packets arrive.
TEST_P(AsioReceive, CancellingLosesNoPacket) {
    const std::uint32_t turns = races(2000);
    for (std::uint32_t seed = 0; seed < turns; ++seed) {
        asio::cancellation_signal cancel;
        failure.reset();
        receiver.async_recv(asio::bind_cancellation_slot(cancel.slot(), [this](ErrorCode error, const RecvList& list) {
            failure = error;
            take(list);
        }));
        std::jthread world_thread{[&] { plant(3, 3 * seed); }};
        std::minstd_rand random{seed + 1};
        for (auto steps = random() % 4; steps > 0; --steps) settle();
        cancel.emit(asio::cancellation_type::total);
        io.restart();
        io.run();
        world_thread.join();
        ASSERT_TRUE(failure);
        for (RecvList list = ctx.recv(0ns); !list.empty(); list = ctx.recv(0ns)) take(list);
    }
    EXPECT_EQ(got, counted(3 * turns));
    EXPECT_EQ(ctx.stats().posted_now, GetParam() * 16);
}

// A member or parameter of the plain type accepts a receiver made without template arguments.
template <class... Args>
using Deduced = decltype(async::AsioReceiver{std::declval<Args>()...});
static_assert(std::is_same_v<Deduced<asio::io_context&, Context&>, async::AsioReceiver<Context>>);
static_assert(std::is_same_v<Deduced<asio::thread_pool&, Queue&>, async::AsioReceiver<Queue>>);
static_assert(std::is_same_v<Deduced<asio::any_io_executor, Context&>, async::AsioReceiver<Context>>);
static_assert(std::is_same_v<Deduced<asio::io_context::executor_type, Context&>,
                             async::AsioReceiver<Context, asio::io_context::executor_type>>);

TEST_F(AsyncWired, AsioReceiverOfASendOnlyContextReportsIt) {
    Options options = small;
    options.recv_packets = none;
    Context ctx = open(options);
    asio::io_context io;
    async::AsioReceiver receiver{io, ctx};
    receiver.cancel();  // nothing, without a descriptor
    ErrorCode failure;
    receiver.async_recv([&](ErrorCode error, const RecvList&) { failure = error; });
    io.run();
    EXPECT_EQ(failure, std::errc::operation_not_supported);
}

TEST_F(AsyncWired, AsioReceiversOfOneQueueAreRefused) {
    Context ctx = open();
    asio::io_context io;
    async::AsioReceiver first{io, ctx};
    expect_words(expect_error(EEXIST,
                              [&] {
                                  async::AsioReceiver second{io, ctx.queue(0)};
                              }),
                 {"cannot watch a descriptor by Asio", "another AsioReceiver watches it"});
}

TEST_F(AsyncWired, AsioContextThatEndsGivesThePacketsBack) {
    Context ctx = open();
    const Flow flow = hear(ctx);
    {
        asio::io_context io;
        async::AsioReceiver receiver{io, ctx};
        plant(3);
        receiver.async_recv([](ErrorCode, const RecvList&) { FAIL() << "it was never run"; });
    }
    EXPECT_EQ(ctx.stats().posted_now, 16u);
}

TEST_F(AsyncWired, AsioAndItsTimersServeTwoContexts) {
    Context left = open();
    Context right = open();
    const Flow flows[] = {hear(left), hear(right)};
    asio::io_context io;
    async::AsioReceiver from_left{io, left};
    async::AsioReceiver from_right{io, right.queue(0)};
    asio::steady_timer timer{io, 1ms};
    Numbers got;
    const auto take = [&](ErrorCode, const RecvList& list) {
        for (const RecvPkt& pkt : list) got.push_back(number_of(pkt.bytes()));
    };
    from_left.async_recv(take);
    from_right.async_recv(take);
    timer.async_wait([&](ErrorCode) { plant(2); });
    io.run();
    EXPECT_EQ(got, (Numbers{0, 1, 0, 1}));
}

}  // namespace
}  // namespace pktverbs::testing
