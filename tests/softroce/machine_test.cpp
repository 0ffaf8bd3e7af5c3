// SPDX-License-Identifier: Apache-2.0
// The machine, on which the other tests rely: the devices as scripts/softroce makes them, seen by verbs alone.
#include <gtest/gtest.h>
#include <infiniband/verbs.h>

#include <cerrno>
#include <memory>
#include <string>

#include "softroce.hpp"

namespace pktverbs {
namespace {

struct Close {
    void operator()(ibv_context* context) const { ibv_close_device(context); }
    void operator()(ibv_pd* pd) const { ibv_dealloc_pd(pd); }
    void operator()(ibv_cq* cq) const { ibv_destroy_cq(cq); }
};
using Device = std::unique_ptr<ibv_context, Close>;

class MachineTest : public ::testing::TestWithParam<const char*> {
protected:
    void SetUp() override {
        if (!testing::in_machine()) GTEST_SKIP() << "NOT TESTED: run this with scripts/softroce";
        int count = 0;
        const std::unique_ptr<ibv_device*, void (*)(ibv_device**)> list{ibv_get_device_list(&count),
                                                                        ibv_free_device_list};
        EXPECT_EQ(count, 2);
        for (int i = 0; i < count; ++i) {
            if (std::string{ibv_get_device_name(list.get()[i])} == GetParam())
                device_.reset(ibv_open_device(list.get()[i]));
        }
        ASSERT_TRUE(device_) << GetParam();
    }

    Device device_;
};

INSTANTIATE_TEST_SUITE_P(, MachineTest, ::testing::Values("rxe0", "rxe1"),
                         [](const auto& test) { return std::string{test.param}; });

TEST_P(MachineTest, HasAnActivePortWithTheLargestMtu) {
    ibv_port_attr port{};
    ASSERT_EQ(ibv_query_port(device_.get(), 1, &port), 0);
    EXPECT_EQ(port.state, IBV_PORT_ACTIVE);
    EXPECT_EQ(port.active_mtu, IBV_MTU_4096);
    EXPECT_EQ(port.link_layer, IBV_LINK_LAYER_ETHERNET);
}

TEST_P(MachineTest, HasTheIpv4AddressAsItsSecondGid) {
    ibv_gid gid{};
    ASSERT_EQ(ibv_query_gid(device_.get(), 1, 1, &gid), 0);
    EXPECT_EQ(gid.raw[11], 0xff);
    EXPECT_EQ(gid.raw[12], 10);
    EXPECT_EQ(gid.raw[13], 198);
    EXPECT_EQ(gid.raw[14], 52);
    EXPECT_EQ(gid.raw[15], GetParam() == std::string{"rxe0"} ? 1 : 2);
}

TEST_P(MachineTest, HasNoRawPacketQueuePairs) {
    const std::unique_ptr<ibv_pd, Close> pd{ibv_alloc_pd(device_.get())};
    const std::unique_ptr<ibv_cq, Close> cq{ibv_create_cq(device_.get(), 16, nullptr, nullptr, 0)};
    ASSERT_TRUE(pd && cq);
    ibv_qp_init_attr wanted{};
    wanted.send_cq = wanted.recv_cq = cq.get();
    wanted.cap = {.max_send_wr = 16, .max_recv_wr = 16, .max_send_sge = 1, .max_recv_sge = 1, .max_inline_data = 0};
    wanted.qp_type = IBV_QPT_RAW_PACKET;
    errno = 0;
    EXPECT_EQ(ibv_create_qp(pd.get(), &wanted), nullptr);
    EXPECT_EQ(errno, EOPNOTSUPP);
}

}  // namespace
}  // namespace pktverbs
