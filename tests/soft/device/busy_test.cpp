// SPDX-License-Identifier: Apache-2.0
// Destroying objects that are in use, or were a moment ago.
#include <gtest/gtest.h>

#include <cerrno>

#include "verbs_end.hpp"
#include "wire_device.hpp"

namespace pktverbs::testing {
namespace {

TEST(Destroy, RefusesAQueuePairWithAFlow) {
    VerbsEnd end;
    EXPECT_EQ(end.verbs.destroy_qp(end.qp.get()), EBUSY);
    end.all_default.reset();
    EXPECT_EQ(end.verbs.destroy_qp(end.qp.release()), 0);
}

TEST(Destroy, RefusesCompletionQueuesInUse) {
    VerbsEnd end;
    EXPECT_EQ(end.verbs.destroy_cq(end.send_cq.get()), EBUSY);
    EXPECT_EQ(end.verbs.destroy_cq(end.recv_cq.get()), EBUSY);
}

TEST(Destroy, RefusesAChannelWithQueues) {
    VerbsEnd end;
    EXPECT_EQ(end.verbs.destroy_comp_channel(end.channel.get()), EBUSY);
}

TEST(Destroy, RefusesADomainWithARegionOrAQueuePair) {
    VerbsEnd end;
    EXPECT_EQ(end.verbs.dealloc_pd(end.pd.get()), EBUSY);
    end.all_default.reset();
    end.qp.reset();
    EXPECT_EQ(end.verbs.dealloc_pd(end.pd.get()), EBUSY);
    end.mr.reset();
    EXPECT_EQ(end.verbs.dealloc_pd(end.pd.release()), 0);
}

TEST(Destroy, RefusesADeviceWithAnythingLeft) {
    verbs::Device device = testing::wire_device("w");
    const verbs::Provider& verbs = *device.provider;
    verbs::ContextHandle context{verbs.open_device(device.handle.get()), {&verbs}};
    const auto expect_busy = [&] { EXPECT_EQ(verbs.close_device(context.get()), EBUSY); };
    {
        const verbs::PdHandle pd{verbs.alloc_pd(context.get()), {&verbs}};
        expect_busy();
    }
    {
        const verbs::CompChannelHandle channel{verbs.create_comp_channel(context.get()), {&verbs}};
        expect_busy();
    }
    {
        const verbs::CqHandle cq{verbs.create_cq(context.get(), 1, nullptr, nullptr, 0), {&verbs}};
        expect_busy();
    }
    EXPECT_EQ(verbs.close_device(context.release()), 0);
}

TEST(Destroy, RefusesADeviceWhoseOnlyObjectIsARegion) {
    VerbsEnd end;
    end.all_default.reset();
    end.qp.reset();
    EXPECT_EQ(end.verbs.close_device(end.context.get()), EBUSY);
}

TEST(Destroy, LeavesNoCompletionOfAQueuePair) {
    VerbsEnd end;
    WireTap tap{"w"};
    const auto second = end.make_qp();
    const auto flow = end.make_flow(second.get(), to_mac(2));
    end.fill(4);
    end.fill(4, second.get());
    for (const unsigned to : {1U, 2U, 1U, 2U}) tap.send(frame_to(to));
    end.all_default.reset();
    end.qp.reset();
    const auto left = poll_all(end.recv_cq);
    ASSERT_EQ(left.size(), 2U);
    for (const ibv_wc& wc : left) EXPECT_EQ(wc.qp_num, second->qp_num);
}

TEST(Destroy, TakesWorkThatIsPostedWithIt) {
    VerbsEnd end{{.state = IBV_QPS_SQD}};
    end.fill(16);
    for (std::uint64_t i = 0; i < 16; ++i) ASSERT_EQ(end.post_send(i, {end.sge(0, 60)}), 0);
    end.all_default.reset();
    end.qp.reset();
    EXPECT_TRUE(poll_all(end.send_cq).empty());
    EXPECT_TRUE(poll_all(end.recv_cq).empty());
}

TEST(Destroy, GivesNumbersThatAreNotReused) {
    VerbsEnd end;
    const std::uint32_t first = end.make_qp()->qp_num;
    EXPECT_NE(end.make_qp()->qp_num, first);
}

TEST(Destroy, LetsAFrameComeAfterTheFlow) {
    VerbsEnd end;
    WireTap tap{"w"};
    end.fill(1);
    end.all_default.reset();
    tap.send(frame_to(1));
    EXPECT_TRUE(poll_all(end.recv_cq).empty());
    EXPECT_EQ(end.drops().unmatched, 1U);
}

}  // namespace
}  // namespace pktverbs::testing
