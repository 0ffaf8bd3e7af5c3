// SPDX-License-Identifier: Apache-2.0
// Objects shared by others: receives, a completion queue, a channel; no object is left over.
#include <gtest/gtest.h>

#include <array>
#include <cerrno>
#include <set>
#include <utility>

#include <pktverbs/verbs/async_event.hpp>
#include <pktverbs/verbs/endpoint.hpp>
#include <pktverbs/verbs/memory_region.hpp>
#include <pktverbs/verbs/shared_receive_queue.hpp>

#include "expect_error.hpp"
#include "node.hpp"

namespace pktverbs::testing {
namespace {

using verbs::RecvRequest;
using verbs::SendRequest;

class SharedReceiveTest : public ::testing::Test {
protected:
    std::pair<verbs::QueuePair, verbs::QueuePair> connected() {
        std::pair made{a_.builder(IBV_QPT_RC).create(), b_.builder(IBV_QPT_RC).receives_from(srq_).create()};
        introduce(made.first, made.second);
        return made;
    }

    Node a_{"rxe0"};
    Node b_{"rxe1"};
    verbs::SharedReceiveQueue srq_{b_.pd, 32, 2};
};

TEST_F(SharedReceiveTest, HasRoomForWhatWasAskedFor) {
    EXPECT_GE(srq_.max_wr(), 32U);
    EXPECT_GE(srq_.max_sge(), 2U);
    EXPECT_GE(srq_.query().max_wr, 32U);
    std::vector<RecvRequest> receives(4 * srq_.max_wr());
    const auto result = srq_.post(receives);
    EXPECT_EQ(result.error, ENOMEM);
    EXPECT_GE(result.posted, 32U);
}

TEST_F(SharedReceiveTest, ServesWhicheverQueuePairNeedsOne) {
    auto first = connected();
    auto second = connected();
    std::array receives{RecvRequest{1}.into(b_.slice(0, 60)).into(b_.slice(60, 40)),
                        RecvRequest{2}.into(b_.slice(100, 100))};
    expect_posted(srq_.post(receives), 2);
    expect_posted(second.first.post_send(SendRequest::send().with(a_.put(0, pattern(100, 2)))));
    a_.wait_ok();
    expect_posted(first.first.post_send(SendRequest::send().with(a_.put(100, pattern(100, 1)))));
    a_.wait_ok();
    const auto one = b_.wait_ok();
    EXPECT_EQ(one.id(), 1U);
    EXPECT_EQ(one.queue_pair(), second.second.number());
    const auto other = b_.wait_ok();
    EXPECT_EQ(other.id(), 2U);
    EXPECT_EQ(other.queue_pair(), first.second.number());
    EXPECT_EQ(b_.copy(0, 100), pattern(100, 2));
    EXPECT_EQ(b_.copy(100, 100), pattern(100, 1));
}

TEST_F(SharedReceiveTest, ReportsOnceThatFewAreLeft) {
    auto [a_qp, b_qp] = connected();
    std::array<RecvRequest, 8> receives;
    expect_posted(srq_.post(receives), receives.size());
    srq_.set_limit(5);
    EXPECT_EQ(srq_.query().srq_limit, 5U);
    int sent = 0;
    const auto send = [&, &qp = a_qp] {
        expect_posted(qp.post_send(SendRequest::send()));
        a_.wait_ok();
        b_.wait_ok();
        ++sent;
    };
    while (sent < 3) send();  // 5 are left
    EXPECT_FALSE(b_.device.next_event());
    while (sent < 5) send();
    const auto event = wait_event(b_.device);
    ASSERT_TRUE(event);
    EXPECT_EQ(event->type, IBV_EVENT_SRQ_LIMIT_REACHED);
    EXPECT_TRUE(event->is_about(srq_.raw()));
    EXPECT_FALSE(event->is_fatal());
    while (sent < 8) send();
    EXPECT_FALSE(b_.device.next_event());
    EXPECT_EQ(srq_.query().srq_limit, 0U);
}

TEST_F(SharedReceiveTest, OutlivesItsHandleInAQueuePair) {
    std::optional<verbs::SharedReceiveQueue> srq{std::in_place, b_.pd};
    auto a_qp = a_.builder(IBV_QPT_RC).create();
    auto b_qp = b_.builder(IBV_QPT_RC).receives_from(*srq).create();
    introduce(a_qp, b_qp);
    expect_posted(srq->post(RecvRequest{3}));
    srq.reset();
    expect_posted(a_qp.post_send(SendRequest::send()));
    EXPECT_EQ(b_.wait_ok().id(), 3U);
}

TEST_F(SharedReceiveTest, IsTheOnlyPlaceForReceives) {
    auto [a_qp, b_qp] = connected();
    const auto result = b_qp.post_recv(RecvRequest{});
    EXPECT_EQ(result.posted, 0U);
    EXPECT_NE(result.error, 0);
}

TEST_F(SharedReceiveTest, RefusesTooMuch) {
    expect_words(expect_error(EINVAL, [&] { verbs::SharedReceiveQueue(b_.pd, 1U << 30); }),
                 {"cannot create a shared receive queue on rxe1/1: Invalid argument (more receives"});
    expect_words(expect_error(EINVAL, [&] { srq_.set_limit(1U << 20); }),
                 {"cannot set the limit of a shared receive queue on rxe1/1", "below"});
}

class SharedChannelTest : public ::testing::Test {
protected:
    static constexpr std::size_t count = 3;
    SharedChannelTest() {
        for (std::size_t i = 0; i < count; ++i) {
            cqs_.emplace_back(b_.device, verbs::CompletionQueueOptions{.channel = b_.channel, .context = &tags_[i]});
            senders_.push_back(a_.builder(IBV_QPT_RC).create());
            receivers_.push_back(b_.builder(IBV_QPT_RC).completes_on(cqs_[i]).create());
            introduce(senders_[i], receivers_[i]);
            expect_posted(receivers_[i].post_recv(RecvRequest{i}));
            expect_posted(receivers_[i].post_recv(RecvRequest{i}));
            cqs_[i].arm();
        }
    }
    void send(std::size_t i, bool solicited = false) {
        auto request = SendRequest::send();
        if (solicited) request.solicited();
        expect_posted(senders_[i].post_send(request));
        a_.wait_ok();  // its acknowledgement came: the receive has completed
    }

    Node a_{"rxe0"};
    Node b_{"rxe1"};
    std::array<int, count> tags_{};
    std::vector<verbs::CompletionQueue> cqs_;
    std::vector<verbs::QueuePair> senders_;
    std::vector<verbs::QueuePair> receivers_;
};

TEST_F(SharedChannelTest, ReportsWhichQueue) {
    EXPECT_FALSE(b_.channel.next_event());
    for (const std::size_t i : {2U, 0U}) {
        send(i);
        const auto event = b_.channel.wait_event(patience);
        ASSERT_TRUE(event);
        EXPECT_EQ(event->cq, cqs_[i].raw());
        EXPECT_EQ(event->context, &tags_[i]);
        EXPECT_TRUE(cqs_[i].poll_one());
    }
    EXPECT_FALSE(b_.channel.next_event());
}

TEST_F(SharedChannelTest, ReportsOnceUntilArmedAgain) {
    send(1);
    EXPECT_TRUE(b_.channel.wait_event(patience));
    send(1);
    EXPECT_FALSE(b_.channel.next_event());
    EXPECT_EQ(cqs_[1].poll(10, [](const verbs::Completion&) {}), 2U);
    cqs_[1].arm();
    expect_posted(receivers_[1].post_recv(RecvRequest{}));
    send(1);
    EXPECT_TRUE(b_.channel.wait_event(patience));
}

TEST_F(SharedChannelTest, CanWaitForSolicitedOnesOnly) {
    EXPECT_TRUE(cqs_[0].poll(10, [](const verbs::Completion&) {}) == 0);
    verbs::CompletionQueue quiet{b_.device, {.channel = b_.channel}};
    auto sender = a_.builder(IBV_QPT_RC).create();
    auto receiver = b_.builder(IBV_QPT_RC).completes_on(quiet).create();
    introduce(sender, receiver);
    expect_posted(receiver.post_recv(RecvRequest{}));
    expect_posted(receiver.post_recv(RecvRequest{}));
    quiet.arm(true);
    expect_posted(sender.post_send(SendRequest::send()));
    a_.wait_ok();
    EXPECT_FALSE(b_.channel.next_event());
    expect_posted(sender.post_send(SendRequest::send().solicited()));
    const auto event = b_.channel.wait_event(patience);
    ASSERT_TRUE(event);
    EXPECT_EQ(event->cq, quiet.raw());
    EXPECT_EQ(quiet.poll(10, [](const verbs::Completion&) {}), 2U);
}

TEST_F(SharedChannelTest, HasADescriptorForPoll) {
    send(1);
    EXPECT_TRUE(wait_readable(b_.channel.fd()));
    EXPECT_TRUE(b_.channel.next_event());
}

TEST_F(SharedChannelTest, LetsAQueueEndWithEventsNotAcknowledged) {
    send(0);
    EXPECT_TRUE(b_.channel.wait_event(patience));
    receivers_.clear();
    cqs_.clear();  // would wait forever
}

TEST_F(SharedChannelTest, LetsAQueueEndWithEventsNotTaken) {
    for (std::size_t i = 0; i < count; ++i) send(i);
    receivers_.clear();
    cqs_.clear();
    EXPECT_FALSE(b_.channel.next_event());
}

/// The objects that the kernel still holds, by device.
std::string resources() { return run("rdma resource show"); }

TEST(Resources, AreBackWhenAHundredPairsHaveComeAndGone) {
    const std::string before = resources();
    for (int i = 0; i < 100; ++i) {
        Pair pair;
        expect_posted(pair.b_qp.post_recv(RecvRequest{}.into(pair.b.slice(0, 8))));
        expect_posted(pair.a_qp.post_send(SendRequest::send().with(pair.a.slice(0, 8)).unsignaled()));
        pair.b.wait_ok();
    }
    EXPECT_EQ(resources(), before);
}

TEST(Resources, AreBackWhenAHundredPairsWereThereAtOnce) {
    constexpr std::size_t count = 100;
    const std::string before = resources();
    {
        Node a{"rxe0", 1024};
        Node b{"rxe1", 1024};
        std::vector<verbs::QueuePair> senders;
        std::vector<verbs::QueuePair> receivers;
        for (std::size_t i = 0; i < count; ++i) {
            senders.push_back(a.builder(IBV_QPT_RC).create());
            receivers.push_back(b.builder(IBV_QPT_RC).create());
            introduce(senders.back(), receivers.back());
            expect_posted(receivers.back().post_recv(RecvRequest{i}.into(b.slice(8 * i, 8))));
        }
        std::set<std::uint32_t> numbers;
        for (const auto& qp : senders) numbers.insert(qp.number());
        EXPECT_EQ(numbers.size(), count);
        EXPECT_NE(resources(), before);
        for (std::size_t i = 0; i < count; ++i) {
            a.put_number(8 * i, i);
            expect_posted(senders[i].post_send(SendRequest::send().with(a.slice(8 * i, 8)).unsignaled()));
        }
        std::set<std::uint64_t> received;
        for (std::size_t i = 0; i < count; ++i) received.insert(b.wait_ok().id());
        EXPECT_EQ(received.size(), count);
        for (std::size_t i = 0; i < count; ++i) EXPECT_EQ(b.number(8 * i), i);
    }
    EXPECT_EQ(resources(), before);
}

TEST(Resources, AreBackInAnyOrderOfEnds) {
    const std::string before = resources();
    for (int order = 0; order < 4; ++order) {
        std::optional<verbs::OpenDevice> device{verbs::hardware_device("rxe0")};
        std::optional<verbs::ProtectionDomain> pd{*device};
        std::optional<verbs::CompletionChannel> channel{*device};
        std::optional<verbs::CompletionQueue> cq{std::in_place, *device,
                                                 verbs::CompletionQueueOptions{.channel = *channel}};
        std::optional<verbs::SharedReceiveQueue> srq{*pd};
        Bytes memory(100);
        std::optional<verbs::MemoryRegion> region{std::in_place, *pd, memory};
        std::optional<verbs::QueuePair> qp{
            verbs::QueuePairBuilder{*pd, IBV_QPT_RC}.completes_on(*cq).receives_from(*srq).create()};
        if (order == 1) device.reset();
        if (order == 2) pd.reset();
        if (order == 3) cq.reset();
        channel.reset();
        srq.reset();
        pd.reset();
        device.reset();
        region.reset();
        qp->connect(qp->endpoint());
        qp->to_error();
    }
    EXPECT_EQ(resources(), before);
}

TEST(Resources, AreBackWhenHandlesWereAssignedTo) {
    const std::string before = resources();
    {
        Bytes memory(100);
        verbs::OpenDevice device{verbs::hardware_device("rxe0")};
        verbs::ProtectionDomain pd{device};
        verbs::CompletionChannel channel{device};
        verbs::SharedReceiveQueue srq{pd};
        verbs::MemoryRegion region{pd, memory};
        // Each of the old ones is the last to hold the old domain and device.
        verbs::OpenDevice other{verbs::hardware_device("rxe1")};
        device = other;
        pd = verbs::ProtectionDomain{other};
        channel = verbs::CompletionChannel{other};
        srq = verbs::SharedReceiveQueue{pd};
        region = verbs::MemoryRegion{pd, memory};
        EXPECT_EQ(run("rdma resource show mr dev rxe0 | wc -l"), "0\n");
        EXPECT_EQ(run("rdma resource show pd dev rxe0 | grep -c pid || true"), "0\n");
    }
    EXPECT_EQ(resources(), before);
}

}  // namespace
}  // namespace pktverbs::testing
