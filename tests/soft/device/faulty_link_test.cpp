// SPDX-License-Identifier: Apache-2.0
// The device over a faulty link: a held-back frame reaches every poller and waiter.
#include <gtest/gtest.h>

#include <cerrno>
#include <chrono>
#include <memory>
#include <thread>

#include <pktverbs/soft/impairments.hpp>

#include "expect_error.hpp"
#include "verbs_end.hpp"

namespace pktverbs::testing {
namespace {

class FaultyDevice : public ::testing::Test {
protected:
    void wait_for_frame() {
        ibv_cq* cq = nullptr;
        void* context = nullptr;
        ASSERT_EQ(end.verbs.get_cq_event(end.channel.get(), &cq, &context), 0);
        EXPECT_EQ(cq, end.recv_cq.get());
        end.verbs.ack_cq_events(cq, 1);
        EXPECT_EQ(poll_all(end.recv_cq).size(), 1U);
    }

    VerbsEnd end{{.wire = "reorder=1"}};
    WireTap tap{"w"};
};

TEST_F(FaultyDevice, DeliversALoneFrameToAPoller) {
    end.fill(1);
    tap.send(frame_to(1));
    EXPECT_EQ(poll_one(end.recv_cq).byte_len, 60U);
}

TEST_F(FaultyDevice, MakesAnArmedChannelReadableForALoneFrame) {
    end.fill(1);
    ASSERT_EQ(ibv_req_notify_cq(end.recv_cq.get(), 0), 0);
    EXPECT_FALSE(readable(end.channel->fd));
    tap.send(frame_to(1));
    EXPECT_TRUE(readable(end.channel->fd));
    wait_for_frame();
    EXPECT_FALSE(readable(end.channel->fd));
}

TEST_F(FaultyDevice, WakesABlockedWaiterForALoneFrame) {
    end.fill(1);
    set_blocking(end.channel->fd, true);
    ASSERT_EQ(ibv_req_notify_cq(end.recv_cq.get(), 0), 0);
    std::thread waiter{[&] { wait_for_frame(); }};
    tap.send(frame_to(1));
    waiter.join();
}

TEST_F(FaultyDevice, ReordersABurst) {
    end.fill(2);
    tap.send(frame_to(1, 60));
    tap.send(frame_to(1, 61));
    const auto completions = poll_all(end.recv_cq);
    ASSERT_EQ(completions.size(), 2U);
    EXPECT_EQ(completions[0].byte_len, 61U);
    EXPECT_EQ(completions[1].byte_len, 60U);
}

TEST_F(FaultyDevice, SendsAsTheLinkDoes) {
    ASSERT_EQ(end.post_send(1, {end.put(0, frame_to(1))}), 0);
    EXPECT_EQ(tap.receive(), Frames{frame_to(1)});
}

TEST(LosingDevice, CountsWhatItLost) {
    VerbsEnd end{{.wire = "loss=1"}};
    WireTap tap{"w"};
    end.fill(1);
    tap.send(frame_to(1));
    EXPECT_TRUE(poll_all(end.recv_cq).empty());
    EXPECT_EQ(end.drops().link, 1U);
}

TEST(ImpairedDevice, ChangesWhileItIsOpen) {
    VerbsEnd end{{.wire = "loss=0"}};
    WireTap tap{"w"};
    end.fill(4);
    tap.send(frame_to(1));
    soft::set_impairments(end.context.get(), {.loss = 1});
    tap.send(frame_to(1));
    soft::set_impairments(end.context.get(), {});
    tap.send(frame_to(1));
    EXPECT_EQ(poll_all(end.recv_cq).size(), 2U);
    const auto counted = soft::impairment_counters(end.context.get());
    EXPECT_EQ(counted.arrived, 3U);
    EXPECT_EQ(counted.delivered, 2U);
    EXPECT_EQ(counted.lost, 1U);
    EXPECT_EQ(end.drops().link, 1U);
}

TEST(ImpairedDevice, RefusesWhatIsOutOfRange) {
    VerbsEnd end{{.wire = "loss=0"}};
    const auto refuse = [&](const soft::Impairments& impairments, const char* words) {
        expect_words(expect_error(EINVAL, [&] { soft::set_impairments(end.context.get(), impairments); }), {words});
    };
    refuse({.loss = 1.1}, "chance");
    refuse({.bursts = {.to_good = -0.1}}, "chance");
    refuse({.delay = std::chrono::nanoseconds{-1}}, "time");
    refuse({.jitter = std::chrono::hours{2}}, "time");
    refuse({.rate = 1}, "rate");
    refuse({.limit = 0}, "limit");
}

TEST(ImpairedDevice, IsOneThatWasOpenedForIt) {
    VerbsEnd plain;
    const auto text = expect_error(EOPNOTSUPP, [&] { soft::set_impairments(plain.context.get(), {}); });
    expect_words(text, {"loss=0"});
    expect_error(EOPNOTSUPP, [&] { soft::impairment_counters(plain.context.get()); });
    verbs_context of_other{};
    expect_words(expect_error(EOPNOTSUPP, [&] { soft::set_impairments(&of_other.context, {}); }), {"no soft device"});
}

}  // namespace
}  // namespace pktverbs::testing
