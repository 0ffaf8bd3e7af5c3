// SPDX-License-Identifier: Apache-2.0
// A device's events: where users get them, and that they lose nothing.
#include <array>
#include <cerrno>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <pktverbs/soft/device.hpp>
#include <pktverbs/verbs/async_event.hpp>
#include <pktverbs/verbs/provider.hpp>

#include "context/event_log.hpp"
#include "descriptors.hpp"
#include "wire_device.hpp"
#include "wired.hpp"

namespace pktverbs::testing {
namespace {

using DeviceEvents = Receiving;

std::vector<std::string> all_events(Context& ctx) {
    std::vector<std::string> all;
    while (const auto event = ctx.next_event()) all.push_back(event->to_string());
    return all;
}
using Texts = std::vector<std::string>;

TEST_F(DeviceEvents, AreNoneAtFirst) { EXPECT_FALSE(ctx.next_event()); }

TEST_F(DeviceEvents, ReportTheLinkInOrder) {
    wire.set_link(false);
    wire.set_link(true);
    EXPECT_EQ(all_events(ctx), (Texts{"port 1: port error", "port 1: port active"}));
    EXPECT_FALSE(ctx.next_event());
}

TEST_F(DeviceEvents, ReachAThreadThatOnlyWatchesTheDescriptor) {
    for (const std::uint32_t queues : {1U, 3U}) {
        Context several = open(with_queues(queues));
        EXPECT_TRUE(several.arm());
        EXPECT_FALSE(is_readable(several.fd()));
        wire.set_link(false);
        EXPECT_TRUE(is_readable(several.fd()));
        several.drain();
        EXPECT_EQ(several.recv(0ns).outcome(), Outcome::timeout);
        EXPECT_EQ(all_events(several), Texts{"port 1: port error"});
        EXPECT_FALSE(is_readable(several.fd()));
        wire.set_link(true);
        EXPECT_TRUE(is_readable(several.fd()));
        several.drain();
        EXPECT_EQ(all_events(several), Texts{"port 1: port active"});
    }
}

TEST_F(DeviceEvents, AreKeptByACallThatWaited) {
    wire.set_link(false);
    EXPECT_EQ(ctx.recv(1ms).outcome(), Outcome::timeout);
    EXPECT_EQ(all_events(ctx), Texts{"port 1: port error"});
}

TEST_F(DeviceEvents, LoseNothingThatHadBeenReceived) {
    plant(3);
    wire.set_link(false);
    plant(2, 3);  // lost on the way
    EXPECT_EQ(numbers(ctx.recv(0ns)), (Numbers{0, 1, 2}));
    wire.set_link(true);
    plant(2, 5);
    EXPECT_EQ(numbers(ctx.recv(0ns)), (Numbers{5, 6}));
    EXPECT_TRUE(flow.installed());
    EXPECT_FALSE(ctx.queue(0).in_error());
}

/// The state after a driver was unloaded: reading its events fails (ibv_get_async_event(3)).
TEST_F(DeviceEvents, AreMadeUpOnceForADeviceThatIsGone) {
    static verbs::Provider provider = soft::provider();
    provider.get_async_event = [](ibv_context*, ibv_async_event*) {
        errno = EIO;
        return -1;
    };
    Device device = testing::wire_device(name);
    device.provider = &provider;
    Context gone{device, small};
    EXPECT_FALSE(gone.next_event());
    wire.set_link(false);  // which makes the descriptor readable
    EXPECT_EQ(all_events(gone), Texts{"device: local catastrophic error"});
    EXPECT_FALSE(gone.wait_event(1ms)) << "its descriptor stays readable";
    EXPECT_EQ(gone.recv(no_timeout).outcome(), Outcome::device_error);
    EXPECT_EQ(gone.queue(0).error(), EIO);
}

TEST_F(DeviceEvents, ReachAProgramThatOnlyPolls) {
    for (const std::uint32_t queues : {1U, 2U}) {
        static verbs::Provider provider;
        provider = soft::provider();
        provider.get_async_event = [](ibv_context*, ibv_async_event*) {
            errno = EIO;
            return -1;
        };
        Device device = testing::wire_device(name);
        device.provider = &provider;
        Context gone{device, with_queues(queues)};
        wire.set_link(false);
        Outcome outcome = Outcome::timeout;
        for (int polls = 0; polls <= 1 << 17 && outcome == Outcome::timeout; ++polls)
            outcome = gone.recv(0ns).outcome();
        EXPECT_EQ(outcome, Outcome::device_error);
        wire.set_link(true);
    }
}

TEST_F(DeviceEvents, EndAWaitForThemAlone) {
    EXPECT_FALSE(ctx.wait_event(0ns));
    std::optional<verbs::AsyncEvent> event;
    std::thread waiter{[&] { event = ctx.wait_event(); }};
    wire.set_link(false);
    waiter.join();
    ASSERT_TRUE(event);
    EXPECT_EQ(event->to_string(), "port 1: port error");
}

TEST_F(DeviceEvents, EndOneWaitEach) {
    std::array<std::optional<verbs::AsyncEvent>, 2> events;
    std::thread first{[&] { events[0] = ctx.wait_event(); }};
    std::thread second{[&] { events[1] = ctx.wait_event(); }};
    wire.set_link(false);
    wire.set_link(true);
    first.join();
    second.join();
    ASSERT_TRUE(events[0] && events[1]);
    EXPECT_NE(events[0]->type, events[1]->type);
    EXPECT_FALSE(ctx.next_event());
}

/// A device whose events the test makes: it puts them here.
struct ForgedEvents {
    explicit ForgedEvents(const std::string& wire) : device{testing::wire_device(wire)} {
        static verbs::Provider provider = soft::provider();
        provider.get_async_event = [](ibv_context*, ibv_async_event* event) {
            if (!next) {
                errno = EAGAIN;
                return -1;
            }
            *event = *std::exchange(next, std::nullopt);
            return 0;
        };
        provider.ack_async_event = [](ibv_async_event*) {};  // nothing waits for it
        device.provider = &provider;
    }
    static void report(ibv_event_type type, ibv_cq* cq = nullptr) {
        next.emplace();
        next->event_type = type;
        next->element.cq = cq;
    }

    static inline std::optional<ibv_async_event> next;
    Device device;
};

TEST_F(DeviceEvents, OfADeviceThatFailedEndSending) {
    const ForgedEvents forged{name};
    Context failing{forged.device, small};
    EXPECT_TRUE(failing.send(filled(failing.acquire(1), 0)).empty());
    EXPECT_EQ(world.receive().size(), 1u);
    forged.report(IBV_EVENT_DEVICE_FATAL);
    wire.set_link(false);  // which makes the descriptor readable
    EXPECT_EQ(all_events(failing), Texts{"device: local catastrophic error"});
    SendList list = failing.send(filled(failing.acquire(2), 1));
    EXPECT_EQ(list.size(), 2u);
    EXPECT_EQ(list.error(), EIO);
    EXPECT_EQ(failing.stats().sent_packets, 1u);
    EXPECT_TRUE(world.receive().empty());
    list.cancel();
    EXPECT_EQ(failing.acquire(99).size(), 8u);
}

TEST_F(DeviceEvents, OfACompletionQueueThatFailedEndSendingOnItsQueue) {
    const ForgedEvents forged{name};
    Context failing{forged.device, with_queues(2)};
    forged.report(IBV_EVENT_CQ_ERR, failing.queue(1).raw_send_cq());
    wire.set_link(false);
    EXPECT_TRUE(failing.next_event());
    wire.set_link(true);
    EXPECT_EQ(failing.queue(1).send(filled(failing.queue(1).acquire(1), 0)).error(), EIO);
    EXPECT_TRUE(failing.queue(0).send(filled(failing.queue(0).acquire(1), 0)).empty());
}

/// A program that only sends and never asks: with no packet free, the next check is some calls away.
TEST_F(DeviceEvents, ReachAThreadThatOnlyAcquires) {
    const ForgedEvents forged{name};
    Context failing{forged.device, small};
    const SendList all = failing.acquire(99);
    forged.report(IBV_EVENT_DEVICE_FATAL);
    wire.set_link(false);
    for (int i = 0; i < 1 << 16; ++i) EXPECT_TRUE(failing.acquire(1).empty());
    EXPECT_EQ(failing.queue(0).error(), EIO);
}

verbs::AsyncEvent numbered(int number) { return {.type = IBV_EVENT_PORT_ERR, .port = number}; }

TEST(EventLog, IsReadableWhileItHasAny) {
    EventLog log;
    EXPECT_FALSE(is_readable(log.fd()));
    log.put(numbered(1));
    log.put(numbered(2));
    static_cast<void>(log.take());
    EXPECT_TRUE(is_readable(log.fd()));
    static_cast<void>(log.take());
    EXPECT_FALSE(is_readable(log.fd()));
    EXPECT_FALSE(log.take());
    EXPECT_FALSE(is_readable(log.fd()));
}

TEST(EventLog, KeepsTheNewest) {
    EventLog log;
    EXPECT_FALSE(log.take());
    for (int i = 0; i < 100; ++i) log.put(numbered(i));
    for (int i = 36; i < 100; ++i) EXPECT_EQ(log.take().value().port, i);
    EXPECT_FALSE(log.take());
}

TEST(EventLog, GivesThemInOrderAcrossItsEnd) {
    EventLog log;
    for (int i = 0, taken = 0; i < 200; i += 2) {
        log.put(numbered(i));
        log.put(numbered(i + 1));
        EXPECT_EQ(log.take().value().port, taken++);
        if (i <= 100) continue;
        EXPECT_EQ(log.take().value().port, taken++);
    }
}

}  // namespace
}  // namespace pktverbs::testing
