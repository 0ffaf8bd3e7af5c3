// SPDX-License-Identifier: Apache-2.0
// The device over a link with its own descriptors: sends that wait, frames that are fetched.
#include <gtest/gtest.h>

#include <algorithm>
#include <cerrno>
#include <system_error>
#include <thread>

#include "held_link.hpp"
#include "ip_frame.hpp"
#include "work_queues.hpp"

namespace pktverbs::testing {
namespace {

class HeldLinkTest : public ::testing::Test {
protected:
    HeldLink* link = nullptr;
    VerbsEnd end{device_on(link), {}};

    void post(std::uint64_t count) {
        for (std::uint64_t i = 0; i < count; ++i) ASSERT_EQ(end.post_send(i, {end.sge(0, 60)}), 0);
    }
    ibv_cq* event() {
        ibv_cq* cq = nullptr;
        void* context = nullptr;
        if (end.verbs.get_cq_event(end.channel.get(), &cq, &context) != 0) return nullptr;
        end.verbs.ack_cq_events(cq, 1);
        return cq;
    }
};
using StalledSend = HeldLinkTest;
using FetchedFrame = HeldLinkTest;

TEST_F(StalledSend, GoesOutWhenPolledLater) {
    post(3);
    EXPECT_TRUE(poll_all(end.send_cq).empty());
    link->allow(2);
    auto done = poll_all(end.send_cq);
    ASSERT_EQ(done.size(), 2U);
    EXPECT_EQ(done[1].wr_id, 1U);
    link->allow(10);
    EXPECT_WC(poll_one(end.send_cq), 2U, IBV_WC_SUCCESS);
    EXPECT_EQ(link->sent, 3U);
}

TEST_F(StalledSend, GoesOutByTheOtherQueuesPoll) {
    post(1);
    link->allow(1);
    poll_all(end.recv_cq);
    EXPECT_EQ(link->sent, 1U);
}

TEST_F(StalledSend, GoesOutInOrderWithLaterOnes) {
    post(1);
    link->allow(10);
    ASSERT_EQ(end.post_send(7, {end.sge(0, 60)}), 0);
    const auto done = poll_all(end.send_cq);
    ASSERT_EQ(done.size(), 2U);
    EXPECT_EQ(done[0].wr_id, 0U);
    EXPECT_EQ(done[1].wr_id, 7U);
}

TEST_F(StalledSend, WakesTheChannelWhenTheLinkTakesMore) {
    ASSERT_EQ(ibv_req_notify_cq(end.send_cq.get(), 0), 0);
    post(1);
    EXPECT_FALSE(readable(end.channel->fd));
    EXPECT_EQ(event(), nullptr);
    link->allow(1);
    EXPECT_TRUE(readable(end.channel->fd));
    EXPECT_EQ(event(), end.send_cq.get());
    EXPECT_EQ(poll_all(end.send_cq).size(), 1U);
    EXPECT_FALSE(readable(end.channel->fd));
}

TEST_F(StalledSend, WakesAChannelMadeMeanwhile) {
    post(1);
    const verbs::CompChannelHandle late{end.verbs.create_comp_channel(end.context.get()), {&end.verbs}};
    link->allow(1);
    EXPECT_TRUE(readable(late->fd));
}

TEST_F(StalledSend, WakesABlockedWaiter) {
    ASSERT_EQ(ibv_req_notify_cq(end.send_cq.get(), 0), 0);
    post(1);
    set_blocking(end.channel->fd, true);
    std::thread waiter{[&] { EXPECT_EQ(event(), end.send_cq.get()); }};
    link->allow(1);
    waiter.join();
}

TEST_F(StalledSend, FailsWhenItsRegionGoes) {
    post(2);
    end.mr.reset();
    const auto done = poll_all(end.send_cq);
    ASSERT_EQ(done.size(), 2U);
    EXPECT_WC(done[0], 0U, IBV_WC_LOC_PROT_ERR);
    EXPECT_WC(done[1], 1U, IBV_WC_WR_FLUSH_ERR);
    link->allow(10);
    poll_all(end.send_cq);
    EXPECT_EQ(link->sent, 0U);
}

TEST_F(StalledSend, IsFlushedOnErrorAndDroppedOnReset) {
    post(2);
    ASSERT_EQ(step(end.qp.get(), IBV_QPS_ERR), 0);
    EXPECT_EQ(count_status(poll_all(end.send_cq), IBV_WC_WR_FLUSH_ERR), 2U);
    ASSERT_EQ(step(end.qp.get(), IBV_QPS_RESET), 0);
    bring_to(end.qp.get(), IBV_QPS_RTS);
    post(2);
    ASSERT_EQ(step(end.qp.get(), IBV_QPS_RESET), 0);
    link->allow(10);
    EXPECT_TRUE(poll_all(end.send_cq).empty());
    EXPECT_EQ(link->sent, 0U);
}

TEST_F(StalledSend, GoesWithItsQueuePair) {
    post(2);
    end.all_default.reset();
    end.qp.reset();
    link->allow(10);
    EXPECT_TRUE(poll_all(end.send_cq).empty());
    EXPECT_EQ(link->sent, 0U);
}

/// Batches of a list are sent one after the other: what is left when the queue pair has failed meanwhile is flushed.
TEST(HeldLink, EndsAListWhenItsQueuePairFails) {
    HeldLink* link = nullptr;
    VerbsEnd end{device_on(link), {.send_depth = 128, .completions = 256}};
    link->allow(1000);
    ASSERT_EQ(end.post_recv(1, {end.sge(0, 10)}), 0);
    link->while_sending = [&] { link->deliver(frame_to(1)); };
    ibv_sge sge = end.sge(0, 60);
    std::vector<ibv_send_wr> wrs(100);
    for (std::size_t i = 0; i < wrs.size(); ++i) {
        wrs[i].wr_id = i;
        wrs[i].next = i + 1 < wrs.size() ? &wrs[i + 1] : nullptr;
        wrs[i].sg_list = &sge;
        wrs[i].num_sge = 1;
        wrs[i].opcode = IBV_WR_SEND;
        wrs[i].send_flags = IBV_SEND_SIGNALED;
    }
    ibv_send_wr* bad = nullptr;
    ASSERT_EQ(ibv_post_send(end.qp.get(), wrs.data(), &bad), 0);
    EXPECT_WC(poll_one(end.recv_cq), 1U, IBV_WC_LOC_LEN_ERR);
    const auto done = poll_all(end.send_cq);
    ASSERT_EQ(done.size(), 100U);
    const std::size_t sent = link->sent;
    EXPECT_LT(sent, 100U);
    for (std::size_t i = 0; i < done.size(); ++i)
        EXPECT_WC(done[i], i, i < sent ? IBV_WC_SUCCESS : IBV_WC_WR_FLUSH_ERR);
}

TEST_F(FetchedFrame, ComesByPolling) {
    end.fill(2);
    link->arrive(frame_to(1));
    EXPECT_EQ(poll_one(end.recv_cq).byte_len, 60U);
}

/// As a program that sends before each poll does.
TEST_F(FetchedFrame, ComesThoughEachPollFindsASend) {
    link->allow(1000);
    ibv_qp_init_attr attr{};
    attr.send_cq = attr.recv_cq = end.recv_cq.get();
    attr.cap = {16, 0, 1, 0, 0};
    attr.qp_type = IBV_QPT_RAW_PACKET;
    const verbs::QpHandle sender{end.verbs.create_qp(end.pd.get(), &attr), {&end.verbs}};
    bring_to(sender.get(), IBV_QPS_RTS);
    end.fill(1);
    link->arrive(frame_to(1));
    bool came = false;
    for (int i = 0; i < 100 && !came; ++i) {
        ASSERT_EQ(end.post_send(1, {end.sge(0, 60)}, IBV_SEND_SIGNALED, sender.get()), 0);
        came = std::ranges::count(poll_all(end.recv_cq), IBV_WC_RECV, &ibv_wc::opcode) == 1;
    }
    EXPECT_TRUE(came);
}

/// Programs that wait take what is left, and go to sleep if that was less than they asked for.
TEST_F(FetchedFrame, ComesByThePollAfterArming) {
    end.fill(4);
    link->deliver(frame_to(1));
    link->arrive(frame_to(1));
    EXPECT_EQ(poll_all(end.recv_cq).size(), 1U) << "what is there";
    EXPECT_EQ(poll_all(end.recv_cq).size(), 1U);
    link->deliver(frame_to(1));
    link->arrive(frame_to(1));
    ASSERT_EQ(ibv_req_notify_cq(end.recv_cq.get(), 0), 0);
    EXPECT_EQ(poll_all(end.recv_cq).size(), 2U);
}

TEST_F(FetchedFrame, ComesByStartPollToo) {
    ibv_cq_init_attr_ex init{};
    init.cqe = 4;
    ibv_cq_ex* const cq = ibv_create_cq_ex(end.context.get(), &init);
    const verbs::CqHandle owned{ibv_cq_ex_to_cq(cq), {&end.verbs}};
    end.fill(1);
    link->arrive(frame_to(1));
    ibv_poll_cq_attr attr{};
    EXPECT_EQ(ibv_start_poll(cq, &attr), ENOENT);  // it was for another queue, and has now arrived
    ibv_wc wc;
    link->arrive(frame_to(1));
    EXPECT_EQ(ibv_poll_cq(end.recv_cq.get(), 1, &wc), 1);
    EXPECT_EQ(end.drops().out_of_buffer, 0U);
}

TEST_F(FetchedFrame, MakesAnArmedChannelReadable) {
    end.fill(2);
    link->arrive(frame_to(1));
    EXPECT_FALSE(readable(end.channel->fd));
    ASSERT_EQ(ibv_req_notify_cq(end.recv_cq.get(), 0), 0);
    EXPECT_TRUE(readable(end.channel->fd));
    EXPECT_EQ(event(), end.recv_cq.get());
    EXPECT_EQ(poll_all(end.recv_cq).size(), 1U);
}

TEST_F(FetchedFrame, ThatIsUnmatchedGivesEagain) {
    end.all_default.reset();
    ASSERT_EQ(ibv_req_notify_cq(end.recv_cq.get(), 0), 0);
    link->arrive(frame_to(1));
    EXPECT_TRUE(readable(end.channel->fd));
    errno = 0;
    EXPECT_EQ(event(), nullptr);
    EXPECT_EQ(errno, EAGAIN);
    EXPECT_FALSE(readable(end.channel->fd));
    EXPECT_EQ(end.drops().unmatched, 1U);
}

/// A second channel, with what completes to it.
class TwoChannels : public HeldLinkTest {
protected:
    verbs::CompChannelHandle sending{end.verbs.create_comp_channel(end.context.get()), {&end.verbs}};
    verbs::CqHandle sent{end.make_cq(64, sending.get())};

    TwoChannels() { set_blocking(sending->fd, false); }

    verbs::QpHandle make_qp(ibv_cq* recv_cq, std::uint32_t receives) {
        ibv_qp_init_attr attr{};
        attr.send_cq = sent.get();
        attr.recv_cq = recv_cq;
        attr.cap = {16, receives, 1, 1, 0};
        attr.qp_type = IBV_QPT_RAW_PACKET;
        verbs::QpHandle qp{end.verbs.create_qp(end.pd.get(), &attr), {&end.verbs}};
        bring_to(qp.get(), IBV_QPS_RTS);
        return qp;
    }
    static void arm(const verbs::CqHandle& cq) { ASSERT_EQ(ibv_req_notify_cq(cq.get(), 0), 0); }
    ibv_cq* event(const verbs::CompChannelHandle& channel) {
        ibv_cq* cq = nullptr;
        void* context = nullptr;
        if (end.verbs.get_cq_event(channel.get(), &cq, &context) != 0) return nullptr;
        end.verbs.ack_cq_events(cq, 1);
        return cq;
    }
};

TEST_F(TwoChannels, AreNotBothWokenByAFrame) {
    const verbs::QpHandle qp = make_qp(end.recv_cq.get(), 16);
    end.fill(1);
    arm(sent);
    arm(end.recv_cq);
    link->arrive(frame_to(1));
    EXPECT_TRUE(readable(end.channel->fd));
    EXPECT_FALSE(readable(sending->fd)) << "it has no event to give, so a blocking ibv_get_cq_event would hang";
}

/// Like programs that send and receive at once and sleep: select(), then a blocking ibv_get_cq_event for each readable
/// channel. Non-blocking here, so that a channel without an event fails the test instead of hanging.
TEST_F(TwoChannels, HaveAnEventWheneverTheyAreReadable) {
    const verbs::QpHandle qp = make_qp(end.recv_cq.get(), 16);
    const auto flow = end.make_flow(qp.get(), to_mac(1));
    end.fill(16, qp.get());
    link->allow(1000);
    arm(sent);
    arm(end.recv_cq);
    std::size_t received = 0;
    std::size_t sends_done = 0;
    for (int turn = 0; turn < 200; ++turn) {
        const bool receive = turn % 2 == 0 || turn % 5 == 0;
        const bool send = turn % 2 == 1 || turn % 3 == 0;
        if (receive) link->arrive(frame_to(1));
        if (send) {
            ASSERT_EQ(end.post_send(1, {end.sge(0, 60)}, IBV_SEND_SIGNALED, qp.get()), 0);
        }
        ASSERT_EQ(readable(end.channel->fd), receive) << turn;
        ASSERT_EQ(readable(sending->fd), send) << turn;
        if (receive) {
            ASSERT_EQ(event(end.channel), end.recv_cq.get()) << turn;
            received += poll_all(end.recv_cq).size();
            end.fill(1, qp.get());
            arm(end.recv_cq);
        }
        if (send) {
            ASSERT_EQ(event(sending), sent.get()) << turn;
            sends_done += poll_all(sent).size();
            arm(sent);
        }
    }
    EXPECT_EQ(received, 120U);
    EXPECT_EQ(sends_done, 134U);
}

/// The first is taken by the call that receives the frame.
TEST_F(TwoChannels, AreReadableForASecondEventOfAFrame) {
    const verbs::CqHandle other = end.make_cq(4, end.channel.get());
    const verbs::QpHandle qp = make_qp(other.get(), 16);
    const auto flow = end.make_flow(end.qp.get(), to_mac(1));
    const auto same = end.make_flow(qp.get(), to_mac(1));
    end.fill(1);
    end.fill(1, qp.get());
    arm(end.recv_cq);
    arm(other);
    link->arrive(frame_to(1));
    ibv_cq* const first = event(end.channel);
    EXPECT_TRUE(readable(end.channel->fd));
    ibv_cq* const second = event(end.channel);
    EXPECT_NE(first, second);
    EXPECT_TRUE(first && second);
    EXPECT_FALSE(readable(end.channel->fd));
    EXPECT_EQ(event(end.channel), nullptr);
}

TEST_F(TwoChannels, AreWatchedByWhatTheirQueuesReceiveNow) {
    arm(sent);
    link->arrive(frame_to(1));
    EXPECT_FALSE(readable(sending->fd)) << "nothing receives into it";
    verbs::QpHandle without_receives = make_qp(sent.get(), 0);
    EXPECT_FALSE(readable(sending->fd));
    verbs::QpHandle both = make_qp(sent.get(), 16);
    EXPECT_TRUE(readable(sending->fd)) << "a queue pair made after the queue was armed";
    both.reset();
    EXPECT_FALSE(readable(sending->fd));
}

TEST_F(TwoChannels, AreWatchedByWorkQueuesToo) {
    arm(sent);
    link->arrive(frame_to(1));
    ibv_wq_init_attr attr = wq_attr(end);
    attr.cq = sent.get();
    WqHandle wq = make_wq(end, attr);
    EXPECT_TRUE(readable(sending->fd));
    wq.reset();
    EXPECT_FALSE(readable(sending->fd));
}

TEST_F(FetchedFrame, DoesNotWakeAChannelWhoseEventWasTaken) {
    end.fill(2);
    ASSERT_EQ(ibv_req_notify_cq(end.recv_cq.get(), 0), 0);
    link->arrive(frame_to(1));
    EXPECT_EQ(event(), end.recv_cq.get());
    link->arrive(frame_to(1));
    EXPECT_FALSE(readable(end.channel->fd)) << "the queue is not armed any more";
    ASSERT_EQ(ibv_req_notify_cq(end.recv_cq.get(), 0), 0);
    EXPECT_TRUE(readable(end.channel->fd));
}

TEST_F(FetchedFrame, BringsItsChecksumAndTime) {
    ibv_cq_init_attr_ex init{};
    init.cqe = 4;
    init.wc_flags = IBV_WC_EX_WITH_COMPLETION_TIMESTAMP;
    ibv_cq_ex* const cq = ibv_create_cq_ex(end.context.get(), &init);
    const verbs::CqHandle owned{ibv_cq_ex_to_cq(cq), {&end.verbs}};
    ibv_qp_init_attr made{};
    made.send_cq = made.recv_cq = owned.get();
    made.cap = {0, 4, 1, 1, 0};
    made.qp_type = IBV_QPT_RAW_PACKET;
    const verbs::QpHandle qp{end.verbs.create_qp(end.pd.get(), &made), {&end.verbs}};
    bring_to(qp.get(), IBV_QPS_RTR);
    const auto flow = end.make_flow(qp.get(), to_mac(1));
    end.fill(1, qp.get());
    link->checksum_ok = true;
    link->timestamp = 123456;
    link->arrive(frame_to(1));
    ibv_poll_cq_attr attr{};
    ASSERT_EQ(ibv_start_poll(cq, &attr), 0);
    EXPECT_EQ(ibv_wc_read_wc_flags(cq), IBV_WC_IP_CSUM_OK);
    EXPECT_EQ(ibv_wc_read_completion_ts(cq), 123456U);
    ibv_end_poll(cq);
}

TEST_F(HeldLinkTest, KeepsOfferedFramesThatLackAReceive) {
    EXPECT_FALSE(link->offer(frame_to(1)));
    end.fill(1);
    EXPECT_TRUE(link->offer(frame_to(1)));
    EXPECT_FALSE(link->offer(frame_to(1)));
    EXPECT_EQ(poll_all(end.recv_cq).size(), 1U);
    EXPECT_EQ(end.drops().out_of_buffer, 0U);
    end.all_default.reset();
    EXPECT_TRUE(link->offer(frame_to(1))) << "no queue wants it";
    EXPECT_EQ(end.drops().unmatched, 1U);
}

/// Frames of a known flow, which are received in runs.
TEST(HeldLink, KeepsWhatItOfferedBeyondTheReceivesOfARun) {
    HeldLink* link = nullptr;
    VerbsEnd end{device_on(link), {.recv_depth = 128, .completions = 256}};
    const Frames frames(100, IpFrame{}.bytes());
    EXPECT_EQ(link->offer(frames), 0U);
    end.fill(5);
    EXPECT_EQ(link->offer(frames), 5U);
    end.fill(70);
    EXPECT_EQ(link->offer(frames), 70U) << "more than a batch";
    EXPECT_EQ(poll_all(end.recv_cq).size(), 75U);
    end.fill(128);
    EXPECT_EQ(link->offer(frames), 100U);
    EXPECT_EQ(poll_all(end.recv_cq).size(), 100U);
    EXPECT_EQ(end.drops().out_of_buffer, 0U);
    ASSERT_EQ(step(end.qp.get(), IBV_QPS_ERR), 0);
    EXPECT_EQ(link->offer(frames), 100U) << "nobody waits for them";
    EXPECT_EQ(end.drops().not_ready, 100U);
}

TEST_F(HeldLinkTest, CountsOfferedFramesOnce) {
    ibv_counters_init_attr init{};
    ibv_counters* const counters = ibv_create_counters(end.context.get(), &init);
    ASSERT_NE(counters, nullptr);
    ibv_counter_attach_attr packets{IBV_COUNTER_PACKETS, 0, 0};
    ASSERT_EQ(ibv_attach_counters_point_flow(counters, &packets, nullptr), 0);
    auto flow = end.make_flow(end.qp.get(), to_mac(1).add(count_spec(counters)));
    for (int i = 0; i < 3; ++i) EXPECT_FALSE(link->offer(frame_to(1)));
    end.fill(1);
    EXPECT_TRUE(link->offer(frame_to(1)));
    std::uint64_t count = 0;
    EXPECT_EQ(ibv_read_counters(counters, &count, 1, 0), 0);
    EXPECT_EQ(count, 1U);
    flow.reset();
    EXPECT_EQ(ibv_destroy_counters(counters), 0);
}

TEST_F(HeldLinkTest, SaysWhichFlowsItNeeds) {
    EXPECT_EQ(link->flows_in_force, 1U);
    auto flow = end.make_flow(end.qp.get(), to_mac(1));
    EXPECT_EQ(link->flows_in_force, 2U);
    flow.reset();
    EXPECT_EQ(link->flows_in_force, 1U);
}

TEST_F(HeldLinkTest, MayRefuseAFlow) {
    link->refuse_flows = ENOBUFS;
    errno = 0;
    EXPECT_EQ(end.make_flow(end.qp.get(), to_mac(1)), nullptr);
    EXPECT_EQ(errno, ENOBUFS);
    link->refuse_flows = 0;
    EXPECT_NE(end.make_flow(end.qp.get(), to_mac(1)), nullptr);
}

TEST_F(HeldLinkTest, IsGivenTheFlowsAgainThatItRefusedForANewAddress) {
    link->refuse_flows = ENOBUFS;
    link->change_address();
    link->flow_changes = 0;
    poll_all(end.recv_cq);
    EXPECT_GE(link->flow_changes, 1) << "it may take them now";
    link->refuse_flows = 0;
    poll_all(end.recv_cq);
    link->flow_changes = 0;
    link->flows_in_force = 0;
    poll_all(end.recv_cq);
    EXPECT_EQ(link->flow_changes, 0) << "it has them";
    link->change_address();
    EXPECT_EQ(link->flows_in_force, 1U);
}

TEST_F(HeldLinkTest, SaysWhatItLost) { EXPECT_EQ(end.drops().link, 5U); }

TEST_F(HeldLinkTest, ThatIsRemovedTakesNothingMore) {
    link->allow(1);
    EXPECT_EQ(end.post_send(1, {end.sge(0, 60)}), 0);
    link->remove();
    set_blocking(end.context->async_fd, false);
    ibv_async_event event{};
    EXPECT_EQ(end.verbs.get_async_event(end.context.get(), &event), 0);
    EXPECT_EQ(event.event_type, IBV_EVENT_DEVICE_FATAL);
    link->allow(10);
    EXPECT_EQ(end.post_send(2, {end.sge(0, 60)}), EIO);
    EXPECT_EQ(link->sent, 1U);
    EXPECT_EQ(step(end.qp.get(), IBV_QPS_ERR), EIO);
    EXPECT_WC(poll_one(end.send_cq), 1U, IBV_WC_SUCCESS);
}

/// A link that opens, and can't be attached to.
class DetachedLink final : public soft::Link {
public:
    MacAddress mac() const noexcept override { return {}; }
    std::uint32_t mtu() const noexcept override { return 1500; }
    bool up() const noexcept override { return true; }
    void attach(soft::Sink&) override { throw std::system_error{ENOBUFS, std::generic_category(), "cannot attach"}; }
    void detach() noexcept override { ADD_FAILURE() << "it was never attached"; }
    std::size_t send(std::span<const soft::TxFrame>) noexcept override { return 0; }
    void receive(std::size_t) noexcept override {}
};

TEST(DetachedLinkTest, LeavesNoDescriptorBehind) {
    auto device = std::make_shared<soft::SoftDevice>();
    device->port.open = [] { return std::make_unique<DetachedLink>(); };
    const int first_free = dup(0);
    close(first_free);
    for (int i = 0; i < 3; ++i) {
        EXPECT_EQ(soft::provider().open_device(device.get()), nullptr);
        EXPECT_EQ(errno, ENOBUFS);
    }
    const int still_free = dup(0);
    close(still_free);
    EXPECT_EQ(still_free, first_free);
}

}  // namespace
}  // namespace pktverbs::testing
