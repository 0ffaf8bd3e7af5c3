// SPDX-License-Identifier: Apache-2.0
// Asynchronous events of the device: they end a wait for a descriptor as they end a blocking one.
#include <poll.h>
#include <sys/eventfd.h>

#include <atomic>
#include <cerrno>
#include <map>

#include <pktverbs/soft/device.hpp>
#include <pktverbs/verbs/provider.hpp>

#include "async_wired.hpp"
#include "base/file_descriptor.hpp"
#include "faulty_ops.hpp"
#include "wire_device.hpp"

namespace pktverbs::testing {
namespace {

/// A device that reports a failure on the test's request.
class FailingSoon : public AsyncWired, public ::testing::WithParamInterface<std::uint32_t> {
protected:
    static Device device(const std::string& name) {
        provider = soft::provider();
        provider.open_device = [](ibv_device* opened) {
            ibv_context* const context = soft::provider().open_device(opened);
            real_fd = std::exchange(context->async_fd, eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
            return context;
        };
        provider.close_device = [](ibv_context* context) {
            close(std::exchange(context->async_fd, real_fd));
            return soft::provider().close_device(context);
        };
        provider.get_async_event = [](ibv_context* context, ibv_async_event* event) {
            eventfd_t count = 0;
            if (eventfd_read(context->async_fd, &count) != 0) return -1;
            *event = next;
            return 0;
        };
        provider.ack_async_event = [](ibv_async_event*) {};
        Device made = testing::wire_device(name);
        made.provider = &provider;
        return made;
    }
    void announce(ibv_event_type type, ibv_qp* qp = nullptr) {
        next.event_type = type;
        next.element.qp = qp;
        ASSERT_EQ(eventfd_write(ctx.raw()->async_fd, 1), 0);
    }
    static bool readable(int fd) {
        pollfd waiting{fd, POLLIN, 0};
        return poll(&waiting, 1, 0) == 1;
    }

    static inline verbs::Provider provider;
    static inline ibv_async_event next{};
    static inline int real_fd = -1;
    Context ctx{device(name), with_queues(GetParam())};
    Flow flow = hear(ctx, GetParam() - 1);
    async::Executor executor;
};
INSTANTIATE_TEST_SUITE_P(Queues, FailingSoon, ::testing::Values(1U, 3U));

TEST_P(FailingSoon, MakesTheDescriptorReadableUntilItIsDrained) {
    EXPECT_FALSE(readable(ctx.fd()));
    announce(IBV_EVENT_DEVICE_FATAL);
    EXPECT_TRUE(readable(ctx.fd()));
    for (std::size_t i = 0; i < ctx.queue_count(); ++i) {
        EXPECT_TRUE(readable(ctx.queue(i).fd()));
        EXPECT_TRUE(readable(ctx.queue(i).send_fd()));
    }
    ctx.drain();
    EXPECT_FALSE(readable(ctx.fd()));
    EXPECT_EQ(ctx.recv(0ns).outcome(), Outcome::device_error);
    // Whichever call takes the event, the others get it too.
    EXPECT_TRUE(readable(ctx.queue(0).send_fd()));
    ctx.queue(0).drain_send();
    EXPECT_FALSE(readable(ctx.queue(0).send_fd()));
}

TEST_P(FailingSoon, EndsAWaitToReceive) {
    Receiver<Context> receiver{ctx};
    executor.spawn(receiver.run());
    EXPECT_FALSE(executor.run_for(0ns));
    announce(IBV_EVENT_DEVICE_FATAL);
    EXPECT_TRUE(executor.run());
    EXPECT_EQ(receiver.outcome, Outcome::device_error);
    EXPECT_EQ(ctx.queue(0).error(), EIO);
}

TEST_P(FailingSoon, EndsTheWaitsOfAllQueuesAndBothSides) {
    FaultyOps ops{ctx};
    ops.withheld = ctx.queue(0).raw_send_cq();
    ctx.send(filled(ctx.acquire(3), 0));
    const auto flush = [](Queue& queue) -> Task { EXPECT_FALSE(co_await async::flush(queue)); };
    std::vector<Receiver<Queue>> receivers;
    for (std::size_t i = 0; i < ctx.queue_count(); ++i) receivers.push_back({ctx.queue(i)});
    for (auto& receiver : receivers) executor.spawn(receiver.run());
    executor.spawn(flush(ctx.queue(0)));
    EXPECT_FALSE(executor.run_for(0ns));
    announce(IBV_EVENT_DEVICE_FATAL);
    EXPECT_TRUE(executor.run());
    for (const auto& receiver : receivers) EXPECT_EQ(receiver.outcome, Outcome::device_error);
}

TEST_P(FailingSoon, EndsAWaitForTheQueueThatFailedAlone) {
    Queue& bad = ctx.queue(GetParam() - 1);
    std::stop_source stop;
    std::vector<Receiver<Queue>> receivers;
    for (std::size_t i = 0; i < ctx.queue_count(); ++i)
        receivers.push_back({ctx.queue(i), 1, no_timeout, stop.get_token()});
    for (auto& receiver : receivers) executor.spawn(receiver.run());
    EXPECT_FALSE(executor.run_for(0ns));
    announce(IBV_EVENT_QP_FATAL, bad.raw());
    executor.run_for(0ns);
    EXPECT_EQ(receivers.back().outcome, Outcome::queue_error);
    stop.request_stop();
    EXPECT_TRUE(executor.run());
    if (receivers.size() > 1) {
        EXPECT_EQ(receivers.front().outcome, Outcome::stopped);
    }
}

TEST_P(FailingSoon, OtherNewsIsNoReasonToReturn) {
    Receiver<Context> receiver{ctx, 2};
    executor.spawn(receiver.run());
    EXPECT_FALSE(executor.run_for(0ns));
    announce(IBV_EVENT_GID_CHANGE);
    EXPECT_FALSE(executor.run_for(0ns));
    EXPECT_FALSE(receiver.outcome);
    plant(2);
    EXPECT_TRUE(executor.run());
    EXPECT_EQ(receiver.got, counted(2));
}

}  // namespace
}  // namespace pktverbs::testing
