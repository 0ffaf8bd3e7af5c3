// SPDX-License-Identifier: Apache-2.0
// Work queues and indirection tables: creation, states, posting, completions, and objects in use.
#include "wire_device.hpp"
#include "work_queues.hpp"

#include <gtest/gtest.h>

#include <cerrno>
#include <string>

namespace pktverbs::testing {
namespace {

/// A work queue that gets every frame.
class WorkQueueTest : public ::testing::Test {
protected:
    VerbsEnd end{{.all_default = false}};
    WireTap tap{"w"};
    WqHandle wq = make_wq(end);
    TableHandle table = make_table(end, {wq.get()});
    verbs::QpHandle qp = make_qp(end, rss_attr(end, table));
    verbs::FlowHandle flow = end.make_flow(qp.get(), FlowAttr{IBV_FLOW_ATTR_ALL_DEFAULT});
};

int errno_of_wq(VerbsEnd& end, ibv_wq_init_attr attr) {
    errno = 0;
    EXPECT_EQ(ibv_create_wq(end.context.get(), &attr), nullptr);
    return errno;
}

TEST_F(WorkQueueTest, SaysWhatItIs) {
    EXPECT_EQ(wq->context, end.context.get());
    EXPECT_EQ(wq->pd, end.pd.get());
    EXPECT_EQ(wq->cq, end.recv_cq.get());
    EXPECT_EQ(wq->wq_type, IBV_WQT_RQ);
    EXPECT_EQ(wq->state, IBV_WQS_RDY);
    EXPECT_NE(wq->wq_num, end.qp->qp_num);
}

TEST_F(WorkQueueTest, RoundsUpItsDepth) {
    ibv_wq_init_attr attr = wq_attr(end, 5);
    attr.max_sge = 0;
    const WqHandle made{ibv_create_wq(end.context.get(), &attr)};
    ASSERT_NE(made, nullptr);
    EXPECT_EQ(attr.max_wr, 8U);
    EXPECT_EQ(attr.max_sge, 1U);
    EXPECT_EQ(made->state, IBV_WQS_RESET);
}

TEST_F(WorkQueueTest, RefusesWhatItCannotBe) {
    VerbsEnd other;
    ibv_wq_init_attr attr = wq_attr(end);
    attr.comp_mask = IBV_WQ_INIT_ATTR_RESERVED;
    EXPECT_EQ(errno_of_wq(end, attr), EINVAL);
    for (const auto flag : {IBV_WQ_FLAGS_DELAY_DROP, IBV_WQ_FLAGS_PCI_WRITE_END_PADDING, IBV_WQ_FLAGS_RESERVED}) {
        attr = wq_attr(end);
        attr.comp_mask = IBV_WQ_INIT_ATTR_FLAGS;
        attr.create_flags = flag;
        EXPECT_EQ(errno_of_wq(end, attr), EOPNOTSUPP) << flag;
    }
    EXPECT_EQ(errno_of_wq(end, wq_attr(end, 0)), EINVAL);
    EXPECT_EQ(errno_of_wq(end, wq_attr(end, 32769)), EINVAL);
    attr = wq_attr(end);
    attr.max_sge = 17;
    EXPECT_EQ(errno_of_wq(end, attr), EINVAL);
    attr = wq_attr(end);
    attr.pd = nullptr;
    EXPECT_EQ(errno_of_wq(end, attr), EINVAL);
    attr = wq_attr(end);
    attr.cq = nullptr;
    EXPECT_EQ(errno_of_wq(end, attr), EINVAL);
    attr.cq = other.recv_cq.get();
    EXPECT_EQ(errno_of_wq(end, attr), EINVAL);
}

TEST_F(WorkQueueTest, TakesJustTheLegalSteps) {
    // Rows: from RESET, RDY, ERR; columns: to the same.
    constexpr const char* legal[] = {"xx.", "xxx", "x.x"};
    constexpr ibv_wq_state all[] = {IBV_WQS_RESET, IBV_WQS_RDY, IBV_WQS_ERR};
    for (const ibv_wq_state from : all) {
        for (const ibv_wq_state to : all) {
            SCOPED_TRACE(std::to_string(from) + " to " + std::to_string(to));
            const WqHandle stepped = make_wq(end, wq_attr(end));
            for (const ibv_wq_state next : {IBV_WQS_RDY, IBV_WQS_ERR}) {
                if (from >= next) {
                    ASSERT_EQ(modify_wq(stepped.get(), next), 0);
                }
            }
            const bool may = legal[from][to] == 'x';
            EXPECT_EQ(modify_wq(stepped.get(), to), may ? 0 : EINVAL);
            EXPECT_EQ(stepped->state, may ? to : from);
        }
    }
    EXPECT_EQ(modify_wq(wq.get(), IBV_WQS_UNKNOWN), EINVAL);
}

TEST_F(WorkQueueTest, ChecksTheCurrentStateAndTheMask) {
    ibv_wq_attr attr{};
    EXPECT_EQ(ibv_modify_wq(wq.get(), &attr), EINVAL);
    attr.attr_mask = IBV_WQ_ATTR_RESERVED;
    EXPECT_EQ(ibv_modify_wq(wq.get(), &attr), EINVAL);
    attr.attr_mask = IBV_WQ_ATTR_FLAGS;
    attr.flags_mask = IBV_WQ_FLAGS_SCATTER_FCS;
    EXPECT_EQ(ibv_modify_wq(wq.get(), &attr), EOPNOTSUPP);
    attr.attr_mask = IBV_WQ_ATTR_STATE | IBV_WQ_ATTR_CURR_STATE;
    attr.wq_state = IBV_WQS_ERR;
    attr.curr_wq_state = IBV_WQS_RESET;
    EXPECT_EQ(ibv_modify_wq(wq.get(), &attr), EINVAL);
    EXPECT_EQ(wq->state, IBV_WQS_RDY);
    attr.curr_wq_state = IBV_WQS_RDY;
    EXPECT_EQ(ibv_modify_wq(wq.get(), &attr), 0);
    EXPECT_EQ(wq->state, IBV_WQS_ERR);
}

TEST_F(WorkQueueTest, Receives) {
    const Frame frame = frame_to(1, 100);
    ASSERT_EQ(post_wq(wq.get(), 7, {end.sge(0, 40), end.sge(4096, 200)}), 0);
    tap.send(frame);
    const ibv_wc wc = poll_one(end.recv_cq);
    EXPECT_WC(wc, 7U, IBV_WC_SUCCESS);
    EXPECT_EQ(wc.opcode, IBV_WC_RECV);
    EXPECT_EQ(wc.byte_len, 100U);
    EXPECT_EQ(wc.qp_num, wq->wq_num);
    Frame got = end.copy(0, 40);
    const Frame rest = end.copy(4096, 60);
    got.insert(got.end(), rest.begin(), rest.end());
    EXPECT_EQ(got, frame);
}

TEST_F(WorkQueueTest, HoldsNoMoreThanItsDepth) {
    EXPECT_EQ(post_wq(wq.get(), 1, {end.sge(0, 1), end.sge(1, 1), end.sge(2, 1)}), EINVAL);
    for (std::uint64_t i = 0; i < 16; ++i) ASSERT_EQ(post_wq(wq.get(), i, {end.sge(0, 2048)}), 0);
    EXPECT_EQ(post_wq(wq.get(), 16, {end.sge(0, 2048)}), ENOMEM);
    tap.send(frame_to(1));
    EXPECT_EQ(post_wq(wq.get(), 16, {end.sge(0, 2048)}), ENOMEM);  // until it has been polled
    EXPECT_WC(poll_one(end.recv_cq), 0U, IBV_WC_SUCCESS);
    EXPECT_EQ(post_wq(wq.get(), 16, {end.sge(0, 2048)}), 0);
}

TEST_F(WorkQueueTest, ReceivesNothingUnlessReady) {
    ASSERT_EQ(modify_wq(wq.get(), IBV_WQS_RESET), 0);
    EXPECT_EQ(post_wq(wq.get(), 1, {end.sge(0, 2048)}), EINVAL);
    tap.send(frame_to(1));
    EXPECT_EQ(end.drops().not_ready, 1U);
    ASSERT_EQ(modify_wq(wq.get(), IBV_WQS_RDY), 0);
    tap.send(frame_to(1));
    EXPECT_EQ(end.drops().out_of_buffer, 1U);
    EXPECT_TRUE(poll_all(end.recv_cq).empty());
}

TEST_F(WorkQueueTest, FlushesInTheErrorState) {
    for (std::uint64_t i = 0; i < 3; ++i) ASSERT_EQ(post_wq(wq.get(), i, {end.sge(0, 2048)}), 0);
    ASSERT_EQ(modify_wq(wq.get(), IBV_WQS_ERR), 0);
    EXPECT_EQ(post_wq(wq.get(), 3, {end.sge(0, 2048)}), 0);
    const auto flushed = poll_all(end.recv_cq);
    ASSERT_EQ(flushed.size(), 4U);
    for (std::uint64_t i = 0; i < 4; ++i) EXPECT_WC(flushed[i], i, IBV_WC_WR_FLUSH_ERR);
    tap.send(frame_to(1));
    EXPECT_EQ(end.drops().not_ready, 1U);
}

TEST_F(WorkQueueTest, ForgetsItsCompletionsInReset) {
    end.fill(1);
    ASSERT_EQ(step(end.qp.get(), IBV_QPS_ERR), 0);  // leaves a completion of another queue
    for (std::uint64_t i = 10; i < 26; ++i) ASSERT_EQ(post_wq(wq.get(), i, {end.sge(0, 2048)}), 0);
    tap.send(frame_to(1));
    ASSERT_EQ(modify_wq(wq.get(), IBV_WQS_RESET), 0);
    EXPECT_WC(poll_one(end.recv_cq), 0U, IBV_WC_WR_FLUSH_ERR);
    ASSERT_EQ(modify_wq(wq.get(), IBV_WQS_RDY), 0);
    for (std::uint64_t i = 0; i < 16; ++i) ASSERT_EQ(post_wq(wq.get(), i, {end.sge(0, 2048)}), 0);
    tap.send(frame_to(1));
    EXPECT_WC(poll_one(end.recv_cq), 0U, IBV_WC_SUCCESS);
}

TEST_F(WorkQueueTest, FailsByAFrameThatIsTooLong) {
    ASSERT_EQ(post_wq(wq.get(), 1, {end.sge(0, 20)}), 0);
    ASSERT_EQ(post_wq(wq.get(), 2, {end.sge(0, 2048)}), 0);
    tap.send(frame_to(1));
    const auto failed = poll_all(end.recv_cq);
    ASSERT_EQ(failed.size(), 2U);
    EXPECT_WC(failed[0], 1U, IBV_WC_LOC_LEN_ERR);
    EXPECT_WC(failed[1], 2U, IBV_WC_WR_FLUSH_ERR);
    EXPECT_EQ(modify_wq(wq.get(), IBV_WQS_RDY), EINVAL);
    EXPECT_EQ(modify_wq(wq.get(), IBV_WQS_RESET), 0);
    EXPECT_EQ(modify_wq(wq.get(), IBV_WQS_RDY), 0);
}

TEST_F(WorkQueueTest, ChecksItsMemory) {
    ASSERT_EQ(post_wq(wq.get(), 1, {{reinterpret_cast<std::uint64_t>(end.memory.data()), 2048, 0}}), 0);
    tap.send(frame_to(1));
    EXPECT_WC(poll_one(end.recv_cq), 1U, IBV_WC_LOC_PROT_ERR);
}

TEST_F(WorkQueueTest, IsReadByExtendedCompletionQueues) {
    ibv_cq_init_attr_ex init{};
    init.cqe = 8;
    init.wc_flags = IBV_WC_STANDARD_FLAGS;
    ibv_cq_ex* const extended = ibv_create_cq_ex(end.context.get(), &init);
    const verbs::CqHandle owned{ibv_cq_ex_to_cq(extended), {&end.verbs}};
    ibv_wq_init_attr attr = wq_attr(end);
    attr.cq = owned.get();
    const WqHandle reader = make_wq(end, attr);
    ASSERT_EQ(modify_wq(reader.get(), IBV_WQS_RDY), 0);
    ASSERT_EQ(post_wq(reader.get(), 5, {end.sge(0, 2048)}), 0);
    ASSERT_EQ(modify_wq(reader.get(), IBV_WQS_ERR), 0);
    ibv_poll_cq_attr poll{};
    ASSERT_EQ(ibv_start_poll(extended, &poll), 0);
    EXPECT_EQ(extended->wr_id, 5U);
    EXPECT_EQ(ibv_wc_read_qp_num(extended), reader->wq_num);
    EXPECT_EQ(ibv_wc_read_opcode(extended), IBV_WC_RECV);
    ibv_end_poll(extended);
}

TEST_F(WorkQueueTest, IsInUseAndUses) {
    EXPECT_EQ(ibv_destroy_wq(wq.get()), EBUSY);
    EXPECT_EQ(ibv_destroy_rwq_ind_table(table.get()), EBUSY);
    EXPECT_EQ(end.verbs.destroy_qp(qp.get()), EBUSY);
    flow.reset();
    qp.reset();
    EXPECT_EQ(ibv_destroy_wq(wq.get()), EBUSY);
    table.reset();

    const auto cq = end.make_cq(4);
    const verbs::PdHandle pd{end.verbs.alloc_pd(end.context.get()), {&end.verbs}};
    ibv_wq_init_attr attr = wq_attr(end);
    attr.cq = cq.get();
    attr.pd = pd.get();
    const WqHandle user = make_wq(end, attr);
    EXPECT_EQ(end.verbs.destroy_cq(cq.get()), EBUSY);
    EXPECT_EQ(end.verbs.dealloc_pd(pd.get()), EBUSY);
}

TEST_F(WorkQueueTest, LeavesNoCompletionsWhenItEnds) {
    WqHandle brief = make_wq(end);
    ASSERT_EQ(post_wq(brief.get(), 1, {end.sge(0, 2048)}), 0);
    ASSERT_EQ(modify_wq(brief.get(), IBV_WQS_ERR), 0);
    brief.reset();
    EXPECT_TRUE(poll_all(end.recv_cq).empty());
}

TEST(WorkQueues, AreLimited) {
    VerbsEnd end;
    std::vector<WqHandle> all;
    for (int i = 0; i < 1024; ++i) {
        all.push_back(make_wq(end, wq_attr(end, 1)));
        ASSERT_NE(all.back(), nullptr);
    }
    EXPECT_EQ(errno_of_wq(end, wq_attr(end, 1)), ENOMEM);
    all.pop_back();
    EXPECT_NE(make_wq(end, wq_attr(end, 1)), nullptr);
}

TEST(WorkQueues, AreCountedBackWhenTheyEnd) {
    const verbs::Device device = testing::wire_device("w");
    ibv_context* const context = device.provider->open_device(device.handle.get());
    ibv_pd* const pd = device.provider->alloc_pd(context);
    ibv_cq* const cq = device.provider->create_cq(context, 4, nullptr, nullptr, 0);
    ibv_wq_init_attr attr{};
    attr.max_wr = 1;
    attr.pd = pd;
    attr.cq = cq;
    ibv_wq* wq = ibv_create_wq(context, &attr);
    ASSERT_NE(wq, nullptr);
    ibv_rwq_ind_table_init_attr one{0, &wq, 0};
    ibv_rwq_ind_table* const table = ibv_create_rwq_ind_table(context, &one);
    ASSERT_NE(table, nullptr);
    EXPECT_EQ(ibv_destroy_rwq_ind_table(table), 0);
    EXPECT_EQ(ibv_destroy_wq(wq), 0);
    EXPECT_EQ(device.provider->destroy_cq(cq), 0);
    EXPECT_EQ(device.provider->dealloc_pd(pd), 0);
    EXPECT_EQ(device.provider->close_device(context), 0);  // all use counts are back
}

int errno_of_table(VerbsEnd& end, ibv_rwq_ind_table_init_attr attr) {
    errno = 0;
    EXPECT_EQ(ibv_create_rwq_ind_table(end.context.get(), &attr), nullptr);
    return errno;
}

TEST(IndirectionTable, RefusesWhatItCannotBe) {
    VerbsEnd end;
    VerbsEnd other;
    const WqHandle wq = make_wq(end);
    const WqHandle foreign = make_wq(other);
    std::vector<ibv_wq*> queues(1024, wq.get());
    EXPECT_EQ(errno_of_table(end, {10, queues.data(), 0}), EINVAL);
    EXPECT_EQ(errno_of_table(end, {64, queues.data(), 0}), EINVAL);
    EXPECT_EQ(errno_of_table(end, {1, queues.data(), 1}), EINVAL);
    EXPECT_EQ(errno_of_table(end, {1, nullptr, 0}), EINVAL);
    queues[1] = foreign.get();
    EXPECT_EQ(errno_of_table(end, {1, queues.data(), 0}), EINVAL);
    queues[1] = nullptr;
    EXPECT_EQ(errno_of_table(end, {1, queues.data(), 0}), EINVAL);
}

TEST(IndirectionTable, MayHoldAQueueManyTimes) {
    VerbsEnd end;
    const WqHandle wq = make_wq(end);
    TableHandle large = make_table(end, std::vector<ibv_wq*>(512, wq.get()));
    TableHandle small = make_table(end, {wq.get()});
    ASSERT_NE(large, nullptr);
    ASSERT_NE(small, nullptr);
    large.reset();
    EXPECT_EQ(ibv_destroy_wq(wq.get()), EBUSY);
    small.reset();  // and then the queue can end
}

TEST(IndirectionTable, AreLimited) {
    VerbsEnd end;
    const WqHandle wq = make_wq(end);
    std::vector<ibv_wq*> queues{wq.get()};
    std::vector<TableHandle> all;
    for (int i = 0; i < 1024; ++i) all.push_back(make_table(end, queues));
    EXPECT_NE(all.back(), nullptr);
    EXPECT_EQ(errno_of_table(end, {0, queues.data(), 0}), ENOMEM);
}

TEST(WorkQueues, AreReportedByQueryDeviceEx) {
    VerbsEnd end;
    ibv_device_attr_ex attr;
    ASSERT_EQ(ibv_query_device_ex(end.context.get(), nullptr, &attr), 0);
    EXPECT_TRUE(ibv_is_qpt_supported(attr.rss_caps.supported_qpts, IBV_QPT_RAW_PACKET));
    EXPECT_EQ(attr.rss_caps.max_rwq_indirection_tables, 1024U);
    EXPECT_EQ(attr.rss_caps.max_rwq_indirection_table_size, 512U);
    EXPECT_EQ(attr.rss_caps.rx_hash_fields_mask, ipv4_addresses | ipv6_addresses | udp_ports | tcp_ports);
    EXPECT_EQ(attr.rss_caps.rx_hash_function, IBV_RX_HASH_FUNC_TOEPLITZ);
    EXPECT_EQ(attr.max_wq_type_rq, 1024U);
}

}  // namespace
}  // namespace pktverbs::testing
