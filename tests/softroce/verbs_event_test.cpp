// SPDX-License-Identifier: Apache-2.0
// Asynchronous events: of ports, GIDs, queue pairs and completion queues.
#include <gtest/gtest.h>

#include <algorithm>

#include "node.hpp"

namespace pktverbs::testing {
namespace {

using verbs::AsyncEvent;
using verbs::RecvRequest;
using verbs::SendRequest;

/// A separate device, so that changes of its link affect no other test.
class LinkEventTest : public ::testing::Test {
protected:
    LinkEventTest() {
        run("ip link add event0 type veth peer name event1 && ip link set event0 up && ip link set event1 up");
        run("rdma link add rxe_event type rxe netdev event0");
        device_.emplace(verbs::hardware_device("rxe_event"));
        while (device_->next_event()) continue;
    }
    ~LinkEventTest() override {
        device_.reset();
        run("rdma link delete rxe_event && ip link delete event0");
    }

    std::optional<verbs::OpenDevice> device_;
};

TEST_F(LinkEventTest, ReportsThatAPortWentDownAndCameUp) {
    run("ip link set event0 down");
    const auto down = events_until(*device_, IBV_EVENT_PORT_ERR).back();
    EXPECT_EQ(down.subject, AsyncEvent::Subject::port);
    EXPECT_EQ(down.port, 1);
    EXPECT_EQ(down.to_string(), "port 1: port error");
    EXPECT_FALSE(down.is_fatal());
    EXPECT_EQ(device_->port().state, IBV_PORT_DOWN);
    run("ip link set event0 up");
    const auto up = events_until(*device_, IBV_EVENT_PORT_ACTIVE).back();
    EXPECT_EQ(up.port, 1);
    EXPECT_EQ(device_->port().state, IBV_PORT_ACTIVE);
}

TEST_F(LinkEventTest, ReportsThatTheGidsChanged) {
    const auto before = device_->gids().size();
    run("ip address add 10.198.99.1/24 dev event0");
    const auto changed = events_until(*device_, IBV_EVENT_GID_CHANGE).back();
    EXPECT_EQ(changed.subject, AsyncEvent::Subject::port);
    EXPECT_EQ(changed.port, 1);
    EXPECT_EQ(device_->gids().size(), before + 1);
    EXPECT_EQ(verbs::from_mapped(device_->default_gid().gid), Ipv4Address::parse("10.198.99.1"));
}

TEST(AsyncEvents, AreNoneOnAQuietDevice) {
    Node node{"rxe0"};
    EXPECT_FALSE(node.device.next_event());
    auto qp = node.builder(IBV_QPT_RC).create();
    qp.connect(qp.endpoint());
    qp.to_error();
    qp.reset();
    EXPECT_FALSE(node.device.next_event());  // none for changes that the program itself makes
}

TEST(AsyncEvents, ReportThatACompletionQueueOverflowed) {
    Pair pair;
    verbs::CompletionQueue small{pair.a.device, {.entries = 1}};
    const std::uint32_t room = small.capacity();
    auto sender = pair.a.builder(IBV_QPT_RC).sends_complete_on(small).depth(4 * room, 1).create();
    auto receiver = pair.b.builder(IBV_QPT_RC).create();
    introduce(sender, receiver);
    for (std::uint32_t i = 0; i < room + 1; ++i)
        expect_posted(sender.post_send(SendRequest::write(pair.b.remote(0, 8)).with(pair.a.slice(0, 8))));
    const auto event = wait_event(pair.a.device);
    ASSERT_TRUE(event);
    EXPECT_EQ(event->type, IBV_EVENT_CQ_ERR);
    EXPECT_TRUE(event->is_about(small.raw()));
    EXPECT_TRUE(event->is_fatal());
}

}  // namespace
}  // namespace pktverbs::testing
