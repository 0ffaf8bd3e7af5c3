// SPDX-License-Identifier: Apache-2.0
// What the create verbs refuse, and with which errno.
#include <gtest/gtest.h>

#include <cerrno>
#include <climits>

#include "soft/nic/queue_pair.hpp"
#include "verbs_end.hpp"

namespace pktverbs::testing {
namespace {

#define EXPECT_REFUSED(pointer, error) \
    do {                               \
        errno = 0;                     \
        EXPECT_EQ(pointer, nullptr);   \
        EXPECT_EQ(errno, error);       \
    } while (false)

class CreateTest : public ::testing::Test {
protected:
    VerbsEnd end;
    VerbsEnd other;
    const verbs::Provider& verbs = end.verbs;
    ibv_context* const context = end.context.get();

    ibv_qp_init_attr qp_attr() const {
        ibv_qp_init_attr attr{};
        attr.send_cq = end.send_cq.get();
        attr.recv_cq = end.recv_cq.get();
        attr.cap = {16, 16, 1, 1, 0};
        attr.qp_type = IBV_QPT_RAW_PACKET;
        return attr;
    }
    void expect_refused(ibv_qp_init_attr attr, int error) {
        EXPECT_REFUSED(verbs.create_qp(end.pd.get(), &attr), error);
    }
};

using CreateCq = CreateTest;
using CreateCqEx = CreateTest;
using CreateQp = CreateTest;
using RegMr = CreateTest;
using CreateFlow = CreateTest;

TEST_F(CreateCq, RefusesNoEntriesAndTooMany) {
    for (const int entries : {0, -1, (1 << 20) + 1, INT_MAX})
        EXPECT_REFUSED(verbs.create_cq(context, entries, nullptr, nullptr, 0), EINVAL);
}

TEST_F(CreateCq, GrantsAPowerOfTwo) {
    EXPECT_EQ(end.make_cq(1)->cqe, 1);
    EXPECT_EQ(end.make_cq(5)->cqe, 8);
    EXPECT_EQ(end.make_cq(1 << 20)->cqe, 1 << 20);
}

TEST_F(CreateCq, RefusesAVectorThatIsNotThere) {
    EXPECT_EQ(context->num_comp_vectors, 1);
    EXPECT_REFUSED(verbs.create_cq(context, 1, nullptr, nullptr, 1), EINVAL);
    EXPECT_REFUSED(verbs.create_cq(context, 1, nullptr, nullptr, -1), EINVAL);
}

TEST_F(CreateCq, RefusesAChannelOfAnotherContext) {
    EXPECT_REFUSED(verbs.create_cq(context, 1, nullptr, other.channel.get(), 0), EINVAL);
}

TEST_F(CreateCqEx, RefusesWhatItDoesNotKnow) {
    ibv_cq_init_attr_ex attr{};
    attr.cqe = 1;
    attr.comp_mask = IBV_CQ_INIT_ATTR_MASK_PD;
    EXPECT_REFUSED(ibv_create_cq_ex(context, &attr), EINVAL);
    attr.comp_mask = IBV_CQ_INIT_ATTR_MASK_FLAGS;
    attr.flags = IBV_CREATE_CQ_ATTR_IGNORE_OVERRUN;
    EXPECT_REFUSED(ibv_create_cq_ex(context, &attr), EOPNOTSUPP);
}

TEST_F(CreateCqEx, RefusesWhatTheClassicOneRefuses) {
    ibv_cq_init_attr_ex attr{};
    EXPECT_REFUSED(verbs.create_cq_ex(context, &attr), EINVAL);
    attr.cqe = (1 << 20) + 1;
    EXPECT_REFUSED(verbs.create_cq_ex(context, &attr), EINVAL);
    attr.cqe = 1;
    attr.comp_vector = 1;
    EXPECT_REFUSED(verbs.create_cq_ex(context, &attr), EINVAL);
    attr.comp_vector = 0;
    attr.channel = other.channel.get();
    EXPECT_REFUSED(verbs.create_cq_ex(context, &attr), EINVAL);
}

TEST_F(CreateCqEx, TakesTheSingleThreadedFlag) {
    ibv_cq_init_attr_ex attr{};
    attr.cqe = 1;
    attr.comp_mask = IBV_CQ_INIT_ATTR_MASK_FLAGS;
    attr.flags = IBV_CREATE_CQ_ATTR_SINGLE_THREADED;
    ibv_cq_ex* const cq = ibv_create_cq_ex(context, &attr);
    ASSERT_NE(cq, nullptr);
    EXPECT_EQ(verbs.destroy_cq(ibv_cq_ex_to_cq(cq)), 0);
}

TEST_F(CreateQp, RefusesOtherTypes) {
    for (const ibv_qp_type type : {IBV_QPT_RC, IBV_QPT_UC, IBV_QPT_UD, IBV_QPT_XRC_SEND, IBV_QPT_DRIVER}) {
        auto attr = qp_attr();
        attr.qp_type = type;
        expect_refused(attr, EOPNOTSUPP);
    }
}

TEST_F(CreateQp, RefusesASharedReceiveQueue) {
    auto attr = qp_attr();
    ibv_srq srq{};
    attr.srq = &srq;
    expect_refused(attr, EOPNOTSUPP);
}

TEST_F(CreateQp, RefusesMissingAndForeignCompletionQueues) {
    for (const auto cq : {&ibv_qp_init_attr::send_cq, &ibv_qp_init_attr::recv_cq}) {
        auto attr = qp_attr();
        attr.*cq = nullptr;
        expect_refused(attr, EINVAL);
        attr.*cq = other.recv_cq.get();
        expect_refused(attr, EINVAL);
    }
}

TEST_F(CreateQp, RefusesMoreThanTheDeviceHas) {
    for (const auto member : {&ibv_qp_cap::max_send_wr, &ibv_qp_cap::max_recv_wr, &ibv_qp_cap::max_send_sge,
                              &ibv_qp_cap::max_recv_sge, &ibv_qp_cap::max_inline_data}) {
        auto attr = qp_attr();
        attr.cap.*member = 32769;
        expect_refused(attr, EINVAL);
    }
}

TEST_F(CreateQp, TakesTheMost) {
    auto attr = qp_attr();
    attr.cap = {32768, 32768, 16, 16, 1024};
    ibv_qp* const qp = verbs.create_qp(end.pd.get(), &attr);
    ASSERT_NE(qp, nullptr);
    EXPECT_EQ(attr.cap.max_recv_wr, 32768U);
    EXPECT_EQ(verbs.destroy_qp(qp), 0);
}

TEST_F(CreateQp, RefusesOneMoreThanTheDeviceCounts) {
    std::vector<verbs::QpHandle> all;
    for (int i = 1; i < 1024; ++i) {
        auto attr = qp_attr();
        attr.cap = {0, 0, 0, 0, 0};
        all.emplace_back(verbs.create_qp(end.pd.get(), &attr), verbs::QpHandle::deleter_type{&verbs});
        ASSERT_NE(all.back(), nullptr) << i;
    }
    expect_refused(qp_attr(), ENOMEM);
    all.pop_back();
    EXPECT_NE(end.make_qp(), nullptr);
}

TEST_F(RegMr, RefusesNothingAndTheEndOfTheWorld) {
    std::uint8_t byte = 0;
    EXPECT_REFUSED(verbs.reg_mr(end.pd.get(), &byte, 0, IBV_ACCESS_LOCAL_WRITE), EINVAL);
    EXPECT_REFUSED(verbs.reg_mr(end.pd.get(), &byte, SIZE_MAX, IBV_ACCESS_LOCAL_WRITE), EINVAL);
}

TEST_F(RegMr, RefusesRemoteWritesWithoutLocalOnes) {
    std::uint8_t byte = 0;
    EXPECT_REFUSED(verbs.reg_mr(end.pd.get(), &byte, 1, IBV_ACCESS_REMOTE_WRITE), EINVAL);
    EXPECT_REFUSED(verbs.reg_mr(end.pd.get(), &byte, 1, IBV_ACCESS_REMOTE_ATOMIC), EINVAL);
}

TEST_F(RegMr, RefusesAccessThatIsNotModelled) {
    std::uint8_t byte = 0;
    EXPECT_REFUSED(verbs.reg_mr(end.pd.get(), &byte, 1, IBV_ACCESS_ON_DEMAND), EOPNOTSUPP);
    EXPECT_REFUSED(verbs.reg_mr(end.pd.get(), &byte, 1, IBV_ACCESS_MW_BIND), EOPNOTSUPP);
}

TEST_F(RegMr, FillsInWhatVerbsSays) {
    std::uint8_t bytes[100] = {};
    const verbs::MrHandle mr{verbs.reg_mr(end.pd.get(), bytes, sizeof bytes, IBV_ACCESS_RELAXED_ORDERING), {&verbs}};
    ASSERT_NE(mr, nullptr);
    EXPECT_EQ(mr->context, context);
    EXPECT_EQ(mr->pd, end.pd.get());
    EXPECT_EQ(mr->addr, bytes);
    EXPECT_EQ(mr->length, sizeof bytes);
    EXPECT_NE(mr->lkey, end.mr->lkey);
}

TEST_F(RegMr, RefusesOneMoreThanTheDeviceCounts) {
    std::uint8_t byte = 0;
    std::vector<verbs::MrHandle> all;
    const auto add = [&] {
        all.emplace_back(verbs.reg_mr(end.pd.get(), &byte, 1, 0), verbs::MrHandle::deleter_type{&verbs});
        return all.back().get();
    };
    for (int i = 1; i < 1024; ++i) ASSERT_NE(add(), nullptr) << i;
    EXPECT_REFUSED(add(), ENOMEM);
    all.erase(all.begin());
    EXPECT_NE(add(), nullptr);
}

TEST_F(CreateFlow, RefusesWhatTheReaderRefuses) {
    EXPECT_REFUSED(end.make_flow(end.qp.get(), to_mac(1).port(2)), EINVAL);
    EXPECT_REFUSED(end.make_flow(end.qp.get(), to_mac(1).flags(IBV_FLOW_ATTR_FLAGS_EGRESS)), EOPNOTSUPP);
}

TEST_F(CreateFlow, TakesTheSameTwiceOnOneQueuePair) {
    auto flow = end.make_flow(end.qp.get(), to_mac(1));
    EXPECT_NE(end.make_flow(end.qp.get(), to_mac(1)), nullptr);
}

// perftest and pyverbs leave 0, or the size without specs.
TEST_F(CreateFlow, DoesNotBelieveTheSize) {
    for (const std::uint16_t size : std::initializer_list<std::uint16_t>{0, 20, 0xffff}) {
        ibv_flow* const flow = to_mac(1).with_block([&](ibv_flow_attr& attr) {
            attr.size = size;
            return end.verbs.create_flow(end.qp.get(), &attr);
        });
        ASSERT_NE(flow, nullptr) << size;
        EXPECT_EQ(end.verbs.destroy_flow(flow), 0);
    }
}

}  // namespace
}  // namespace pktverbs::testing
