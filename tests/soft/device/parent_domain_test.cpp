// SPDX-License-Identifier: Apache-2.0
// Parent domains and thread domains.
#include <gtest/gtest.h>

#include <cerrno>

#include "verbs_end.hpp"
#include "wire_device.hpp"

namespace pktverbs::testing {
namespace {

class ParentDomain : public ::testing::Test {
protected:
    VerbsEnd end;
    ibv_td_init_attr td_attr{};
    ibv_td* td = ibv_alloc_td(end.context.get(), &td_attr);
    ibv_parent_domain_init_attr attr{end.pd.get(), td, 0, nullptr, nullptr, nullptr};
    verbs::PdHandle parent{ibv_alloc_parent_domain(end.context.get(), &attr), {&end.verbs}};

    void SetUp() override {
        ASSERT_NE(td, nullptr);
        ASSERT_NE(parent, nullptr);
    }
    void TearDown() override {
        parent.reset();
        EXPECT_EQ(ibv_dealloc_td(td), 0);
    }

    verbs::QpHandle make_qp(ibv_pd* domain) {
        ibv_qp_init_attr made{};
        made.send_cq = end.send_cq.get();
        made.recv_cq = end.recv_cq.get();
        made.cap = {4, 4, 1, 1, 0};
        made.qp_type = IBV_QPT_RAW_PACKET;
        verbs::QpHandle qp{end.verbs.create_qp(domain, &made), {&end.verbs}};
        bring_to(qp.get(), IBV_QPS_RTS);
        return qp;
    }
    verbs::MrHandle register_with(ibv_pd* domain) {
        return {end.verbs.reg_mr(domain, end.memory.data(), end.memory.size(), IBV_ACCESS_LOCAL_WRITE), {&end.verbs}};
    }
    ibv_wc_status send(ibv_qp* qp, std::uint32_t lkey) {
        const ibv_sge sge{reinterpret_cast<std::uint64_t>(end.memory.data()), 60, lkey};
        EXPECT_EQ(end.post_send(1, {sge}, IBV_SEND_SIGNALED, qp), 0);
        return poll_one(end.send_cq).status;
    }
    void expect_refused(int error) {
        errno = 0;
        EXPECT_EQ(ibv_alloc_parent_domain(end.context.get(), &attr), nullptr);
        EXPECT_EQ(errno, error);
    }
};

TEST_F(ParentDomain, TakesTheMemoryOfItsProtectionDomain) {
    const auto qp = make_qp(parent.get());
    EXPECT_EQ(qp->pd, parent.get());
    EXPECT_EQ(send(qp.get(), end.mr->lkey), IBV_WC_SUCCESS);
}

TEST_F(ParentDomain, GivesItsMemoryToItsProtectionDomain) {
    const auto mr = register_with(parent.get());
    EXPECT_EQ(mr->pd, parent.get());
    EXPECT_EQ(send(end.qp.get(), mr->lkey), IBV_WC_SUCCESS);
    end.fill(1);
    const ibv_sge sge{reinterpret_cast<std::uint64_t>(end.memory.data()), 2048, mr->lkey};
    ASSERT_EQ(end.post_recv(7, {sge}), 0);
    WireTap tap{"w"};
    tap.send(frame_to(1));
    tap.send(frame_to(1));
    const auto received = poll_all(end.recv_cq);
    ASSERT_EQ(received.size(), 2U);
    EXPECT_WC(received[1], 7U, IBV_WC_SUCCESS);
}

TEST_F(ParentDomain, HasNothingToDoWithOtherDomains) {
    const verbs::PdHandle other{end.verbs.alloc_pd(end.context.get()), {&end.verbs}};
    const auto mr = register_with(other.get());
    const auto qp = make_qp(parent.get());
    EXPECT_EQ(send(qp.get(), mr->lkey), IBV_WC_LOC_PROT_ERR);
}

TEST_F(ParentDomain, IsBusyWithAnythingMadeOfIt) {
    {
        const auto mr = register_with(parent.get());
        EXPECT_EQ(end.verbs.dealloc_pd(parent.get()), EBUSY);
    }
    {
        const auto qp = make_qp(parent.get());
        EXPECT_EQ(end.verbs.dealloc_pd(parent.get()), EBUSY);
    }
    EXPECT_EQ(end.verbs.dealloc_pd(parent.release()), 0);
}

TEST_F(ParentDomain, KeepsItsDomainsInUse) {
    EXPECT_EQ(ibv_dealloc_td(td), EBUSY);
    const verbs::PdHandle alone{end.verbs.alloc_pd(end.context.get()), {&end.verbs}};
    attr.pd = alone.get();
    attr.td = nullptr;
    verbs::PdHandle second{ibv_alloc_parent_domain(end.context.get(), &attr), {&end.verbs}};
    ASSERT_NE(second, nullptr);
    EXPECT_EQ(end.verbs.dealloc_pd(alone.get()), EBUSY);
    second.reset();
    EXPECT_EQ(ibv_dealloc_td(td), EBUSY) << "the first one still has it";
}

TEST_F(ParentDomain, NeedsAProtectionDomainOfItsContext) {
    attr.pd = nullptr;
    expect_refused(EINVAL);
    VerbsEnd other;
    attr.pd = other.pd.get();
    expect_refused(EINVAL);
    attr.pd = end.pd.get();
    ibv_td* const foreign = ibv_alloc_td(other.context.get(), &td_attr);
    attr.td = foreign;
    expect_refused(EINVAL);
    EXPECT_EQ(ibv_dealloc_td(foreign), 0);
}

TEST_F(ParentDomain, TakesNoAllocators) {
    attr.comp_mask = IBV_PARENT_DOMAIN_INIT_ATTR_ALLOCATORS;
    expect_refused(EOPNOTSUPP);
    attr.comp_mask = IBV_PARENT_DOMAIN_INIT_ATTR_PD_CONTEXT;
    expect_refused(EOPNOTSUPP);
    attr.comp_mask = 1U << 7;
    expect_refused(EINVAL);
}

TEST_F(ParentDomain, MayBeACompletionQueues) {
    ibv_cq_init_attr_ex init{};
    init.cqe = 4;
    init.comp_mask = IBV_CQ_INIT_ATTR_MASK_PD;
    init.parent_domain = parent.get();
    ibv_cq_ex* const cq = ibv_create_cq_ex(end.context.get(), &init);
    ASSERT_NE(cq, nullptr);
    EXPECT_EQ(end.verbs.dealloc_pd(parent.get()), EBUSY);
    EXPECT_EQ(end.verbs.destroy_cq(ibv_cq_ex_to_cq(cq)), 0);
    EXPECT_EQ(end.verbs.dealloc_pd(parent.release()), 0);
}

TEST_F(ParentDomain, IsWhatACompletionQueueNeeds) {
    VerbsEnd other;
    ibv_cq_init_attr_ex init{};
    init.cqe = 4;
    init.comp_mask = IBV_CQ_INIT_ATTR_MASK_PD;
    for (ibv_pd* const wrong : {static_cast<ibv_pd*>(nullptr), end.pd.get(), other.pd.get()}) {
        init.parent_domain = wrong;
        errno = 0;
        EXPECT_EQ(ibv_create_cq_ex(end.context.get(), &init), nullptr);
        EXPECT_EQ(errno, EINVAL);
    }
}

TEST(ThreadDomain, KnowsNoAttributes) {
    VerbsEnd end;
    ibv_td_init_attr attr{.comp_mask = 1};
    errno = 0;
    EXPECT_EQ(ibv_alloc_td(end.context.get(), &attr), nullptr);
    EXPECT_EQ(errno, EINVAL);
}

TEST(ThreadDomain, KeepsItsDeviceInUse) {
    const verbs::Device device = testing::wire_device("w");
    const verbs::Provider& verbs = *device.provider;
    verbs::ContextHandle context{verbs.open_device(device.handle.get()), {&verbs}};
    ibv_td_init_attr attr{};
    ibv_td* const td = ibv_alloc_td(context.get(), &attr);
    EXPECT_EQ(verbs.close_device(context.get()), EBUSY);
    EXPECT_EQ(ibv_dealloc_td(td), 0);
    EXPECT_EQ(verbs.close_device(context.release()), 0);
}

}  // namespace
}  // namespace pktverbs::testing
