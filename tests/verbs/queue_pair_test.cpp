// SPDX-License-Identifier: Apache-2.0
// QueuePair: its state transitions and their attributes, and the requests posted to it.
#include <gtest/gtest.h>

#include <arpa/inet.h>

#include <array>
#include <cerrno>

#include "expect_error.hpp"
#include "world.hpp"

namespace pktverbs::testing {
namespace {

using namespace verbs;  // NOLINT(google-build-using-namespace): all of it is on trial here

constexpr std::array types{IBV_QPT_RC, IBV_QPT_UC, IBV_QPT_UD, IBV_QPT_RAW_PACKET};

class QueuePairTest : public ::testing::Test {
protected:
    QueuePair make(ibv_qp_type type) {
        fake_.changes.clear();
        fake_.state = IBV_QPS_RESET;
        return QueuePairBuilder{*world_.pd, type}.completes_on(*world_.cq).create();
    }
    Endpoint peer() const {
        Endpoint peer;
        peer.gid = Ipv6Address{"::ffff:10.0.0.2"};
        peer.queue_pair = 5;
        peer.psn = 6;
        peer.mtu = IBV_MTU_512;
        return peer;
    }

    FakeVerbs fake_;
    World world_{fake_};
    QueuePair& qp_ = *world_.qp;
};

TEST_F(QueuePairTest, IsMadeInInit) {
    constexpr int connected = IBV_QP_STATE | IBV_QP_PORT | IBV_QP_PKEY_INDEX | IBV_QP_ACCESS_FLAGS;
    constexpr std::array masks{connected, connected, IBV_QP_STATE | IBV_QP_PORT | IBV_QP_PKEY_INDEX | IBV_QP_QKEY,
                               IBV_QP_STATE | IBV_QP_PORT};
    for (std::size_t i = 0; i < types.size(); ++i) {
        const QueuePair qp = make(types[i]);
        ASSERT_EQ(fake_.changes.size(), 1U);
        EXPECT_EQ(fake_.changes[0].first.qp_state, IBV_QPS_INIT);
        EXPECT_EQ(fake_.changes[0].first.port_num, 1);
        EXPECT_EQ(fake_.changes[0].second, masks[i]) << types[i];
        EXPECT_EQ(qp.state(), IBV_QPS_INIT);
    }
}

TEST_F(QueuePairTest, ReportsWhatWasGranted) {
    EXPECT_EQ(qp_.limits().max_send_wr, 129U);
    EXPECT_EQ(qp_.limits().max_recv_wr, 0U);  // it takes receives from a shared queue
    EXPECT_EQ(make(IBV_QPT_RC).limits().max_recv_wr, 128U);
    EXPECT_EQ(world_.srq->max_wr(), 257U);
}

TEST_F(QueuePairTest, ConnectsReliably) {
    QueuePair qp = make(IBV_QPT_RC);
    qp.connect(peer());
    ASSERT_EQ(fake_.changes.size(), 3U);
    const auto& [rtr, rtr_mask] = fake_.changes[1];
    EXPECT_EQ(rtr_mask, IBV_QP_STATE | IBV_QP_AV | IBV_QP_PATH_MTU | IBV_QP_DEST_QPN | IBV_QP_RQ_PSN |
                            IBV_QP_MAX_DEST_RD_ATOMIC | IBV_QP_MIN_RNR_TIMER);
    EXPECT_EQ(rtr.qp_state, IBV_QPS_RTR);
    EXPECT_EQ(rtr.path_mtu, IBV_MTU_512);  // the peer's, which is lower than the port's
    EXPECT_EQ(rtr.dest_qp_num, 5U);
    EXPECT_EQ(rtr.rq_psn, 6U);
    EXPECT_EQ(rtr.min_rnr_timer, 12);
    EXPECT_EQ(rtr.max_dest_rd_atomic, 1);
    EXPECT_EQ(rtr.ah_attr.is_global, 1);
    EXPECT_EQ(to_address(rtr.ah_attr.grh.dgid), peer().gid);
    EXPECT_EQ(rtr.ah_attr.grh.hop_limit, 64);
    EXPECT_EQ(rtr.ah_attr.port_num, 1);
    const auto& [rts, rts_mask] = fake_.changes[2];
    EXPECT_EQ(rts_mask, IBV_QP_STATE | IBV_QP_SQ_PSN | IBV_QP_TIMEOUT | IBV_QP_RETRY_CNT | IBV_QP_RNR_RETRY |
                            IBV_QP_MAX_QP_RD_ATOMIC);
    EXPECT_EQ(rts.qp_state, IBV_QPS_RTS);
    EXPECT_EQ(rts.timeout, 14);
    EXPECT_EQ(rts.retry_cnt, 7);
    EXPECT_EQ(rts.rnr_retry, 7);
    EXPECT_EQ(rts.max_rd_atomic, 1);
}

TEST_F(QueuePairTest, ConnectsUnreliably) {
    QueuePair qp = make(IBV_QPT_UC);
    qp.connect(peer());
    ASSERT_EQ(fake_.changes.size(), 3U);
    EXPECT_EQ(fake_.changes[1].second, IBV_QP_STATE | IBV_QP_AV | IBV_QP_PATH_MTU | IBV_QP_DEST_QPN | IBV_QP_RQ_PSN);
    EXPECT_EQ(fake_.changes[2].second, IBV_QP_STATE | IBV_QP_SQ_PSN);
}

TEST_F(QueuePairTest, ActivatesDatagramsAndRawPackets) {
    for (const auto& [type, mask] :
         {std::pair{IBV_QPT_UD, IBV_QP_STATE | IBV_QP_SQ_PSN}, std::pair{IBV_QPT_RAW_PACKET, int{IBV_QP_STATE}}}) {
        QueuePair qp = make(type);
        qp.activate();
        ASSERT_EQ(fake_.changes.size(), 3U);
        EXPECT_EQ(fake_.changes[1].first.qp_state, IBV_QPS_RTR);
        EXPECT_EQ(fake_.changes[1].second, IBV_QP_STATE);
        EXPECT_EQ(fake_.changes[2].first.qp_state, IBV_QPS_RTS);
        EXPECT_EQ(fake_.changes[2].second, mask);
    }
}

TEST_F(QueuePairTest, TakesTheStepThatItsTypeHas) {
    for (const auto type : {IBV_QPT_UD, IBV_QPT_RAW_PACKET})
        expect_words(expect_error(EINVAL, [&] { make(type).connect(peer()); }), {"cannot connect ", "activate()"});
    for (const auto type : {IBV_QPT_RC, IBV_QPT_UC})
        expect_words(expect_error(EINVAL, [&] { make(type).activate(); }), {"cannot activate ", "connect()"});
}

TEST_F(QueuePairTest, BeginsAgainAfterAReset) {
    QueuePair qp = make(IBV_QPT_RC);
    qp.connect(peer());
    qp.to_error();
    qp.reset();
    qp.connect(peer());
    std::vector<ibv_qp_state> states;
    for (const auto& [attr, mask] : fake_.changes) states.push_back(attr.qp_state);
    EXPECT_EQ(states, (std::vector{IBV_QPS_INIT, IBV_QPS_RTR, IBV_QPS_RTS, IBV_QPS_ERR, IBV_QPS_RESET, IBV_QPS_INIT,
                                   IBV_QPS_RTR, IBV_QPS_RTS}));
}

TEST_F(QueuePairTest, DescribesItselfToThePeer) {
    QueuePairBuilder builder{*world_.pd, IBV_QPT_UD};
    builder.completes_on(*world_.cq);
    builder.options().psn = 8;
    builder.options().qkey = 9;
    const Endpoint here = builder.create().endpoint();
    EXPECT_EQ(here.gid, Ipv6Address{"::ffff:10.0.0.1"});
    EXPECT_EQ(here.queue_pair, 77U);
    EXPECT_EQ(here.psn, 8U);
    EXPECT_EQ(here.qkey, 9U);
    EXPECT_EQ(here.lid, 4);
    EXPECT_EQ(here.mtu, IBV_MTU_1024);
}

TEST_F(QueuePairTest, ExplainsWhatADriverRefused) {
    QueuePair qp = make(IBV_QPT_RC);
    fake_.fail("modify_qp", EINVAL);
    ibv_qp_attr attr{};
    attr.qp_state = IBV_QPS_RTS;
    EXPECT_EQ(expect_error(EINVAL, [&] { qp.modify(attr, IBV_QP_STATE); }),
              "cannot bring a reliable connected queue pair to RTS on fake0: Invalid argument "
              "(a reliable connected queue pair can't go from INIT to RTS)");
    expect_words(expect_error(EINVAL, [&] { qp.modify(attr, IBV_QP_QKEY); }),
                 {"cannot change a reliable connected queue pair on fake0", "in INIT", "doesn't take qkey"});
    expect_words(expect_error(EINVAL, [&] { qp.connect(peer()); }), {"out of the device's range"});
    expect_words(expect_error(EINVAL, [&] { make(IBV_QPT_RAW_PACKET); }), {"down or not Ethernet"});
}

TEST_F(QueuePairTest, PostsABatchAsOneChain) {
    const MemoryRegion& region = *world_.region;
    std::array batch{SendRequest::send().with(region.slice(0, 10)).id(1),
                     SendRequest::send().with(region.slice(10, 20)).with(region.slice(100, 5)).id(2),
                     SendRequest::send().id(3)};
    const PostResult result = qp_.post_send(batch);
    EXPECT_TRUE(result);
    EXPECT_EQ(result.posted, 3U);
    ASSERT_EQ(fake_.sent.size(), 3U);
    EXPECT_EQ(fake_.sent[0].next, &batch[1].raw());
    EXPECT_EQ(fake_.sent[1].next, &batch[2].raw());
    EXPECT_EQ(fake_.sent[2].next, nullptr);
    ASSERT_EQ(fake_.slices.size(), 3U);
    EXPECT_EQ(fake_.slices[0].size(), 1U);
    ASSERT_EQ(fake_.slices[1].size(), 2U);
    EXPECT_EQ(fake_.slices[1][1].addr, reinterpret_cast<std::uintptr_t>(world_.memory.data()) + 100);
    EXPECT_EQ(fake_.slices[1][1].length, 5U);
    EXPECT_EQ(fake_.slices[1][1].lkey, 17U);
    EXPECT_EQ(fake_.slices[2].size(), 0U);
}

TEST_F(QueuePairTest, PostsTheSameBatchTwice) {
    std::array batch{SendRequest::send().id(1), SendRequest::send().id(2)};
    EXPECT_TRUE(qp_.post_send(batch));
    // A shorter batch afterwards is not chained to the previous one's requests.
    EXPECT_EQ(qp_.post_send(std::span{batch}.first(1)).posted, 1U);
    EXPECT_EQ(fake_.sent.size(), 3U);
    std::array<RecvRequest, 3> receives;
    EXPECT_TRUE(qp_.post_recv(receives));
    EXPECT_EQ(qp_.post_recv(std::span{receives}.first(2)).posted, 2U);
    EXPECT_EQ(fake_.slices.size(), 3U + 5U);
}

TEST_F(QueuePairTest, PostsCopiesOfABatch) {
    std::vector<SendRequest> batch(4, SendRequest::send().with(world_.region->slice(0, 10)));
    EXPECT_EQ(qp_.post_send(batch).posted, 4U);
    std::vector<SendRequest> moved = batch;
    batch.clear();
    batch.shrink_to_fit();
    EXPECT_EQ(qp_.post_send(moved).posted, 4U);
    EXPECT_EQ(fake_.slices.back().size(), 1U);
}

TEST_F(QueuePairTest, PostsNothingOfAnEmptyBatch) {
    fake_.room = 0;
    EXPECT_TRUE(qp_.post_send(std::span<SendRequest>{}));
    EXPECT_TRUE(qp_.post_recv(std::span<RecvRequest>{}));
    EXPECT_TRUE(world_.srq->post(std::span<RecvRequest>{}));
}

TEST_F(QueuePairTest, ReportsHowManyWerePosted) {
    for (int room = 0; room <= 4; ++room) {
        std::vector<SendRequest> sends(4, SendRequest::send());
        std::array<RecvRequest, 4> receives;
        for (const auto post : {0, 1, 2}) {
            fake_.room = room;
            const PostResult result = post == 0   ? qp_.post_send(sends)
                                      : post == 1 ? qp_.post_recv(receives)
                                                  : world_.srq->post(receives);
            EXPECT_EQ(result.posted, static_cast<std::size_t>(room));
            EXPECT_EQ(result.error, room == 4 ? 0 : ENOMEM);
            EXPECT_EQ(static_cast<bool>(result), room == 4);
        }
    }
}

TEST_F(QueuePairTest, KeepsTheErrnoOfARefusedPost) {
    fake_.room = 0;
    for (const auto& [said, error] : {std::pair{EINVAL, EINVAL}, std::pair{-ENOMEM, ENOMEM}, std::pair{-1, EIO}}) {
        fake_.refusal = said;
        EXPECT_EQ(qp_.post_send(SendRequest::send()).error, error);
        EXPECT_EQ(qp_.post_recv(RecvRequest{}).error, error);
        EXPECT_EQ(world_.srq->post(RecvRequest{}).error, error);
    }
}

TEST_F(QueuePairTest, CountsNoneWhereTheDriverDoesNotSayWhich) {
    fake_.room = 2;
    fake_.names_refused = false;
    std::vector<SendRequest> sends(4, SendRequest::send());
    const PostResult result = qp_.post_send(sends);
    EXPECT_EQ(result.posted, 0U);
    EXPECT_EQ(result.error, ENOMEM);
}

class SendRequestTest : public ::testing::Test {
protected:
    FakeVerbs fake_;
    World world_{fake_};
    RemoteSlice there_{0x1000, 64, 0xabc};
};

TEST_F(SendRequestTest, IsASignaledSend) {
    const ibv_send_wr wr = SendRequest::send().id(4).raw();
    EXPECT_EQ(wr.opcode, IBV_WR_SEND);
    EXPECT_EQ(wr.wr_id, 4U);
    EXPECT_EQ(wr.send_flags, unsigned{IBV_SEND_SIGNALED});
}

TEST_F(SendRequestTest, HasItsImmediateInNetworkOrder) {
    auto send = SendRequest::send_with_immediate(0x01020304);
    EXPECT_EQ(send.raw().opcode, IBV_WR_SEND_WITH_IMM);
    EXPECT_EQ(send.raw().imm_data, htonl(0x01020304));
    auto write = SendRequest::write_with_immediate(there_, 0x01020304);
    EXPECT_EQ(write.raw().opcode, IBV_WR_RDMA_WRITE_WITH_IMM);
    EXPECT_EQ(write.raw().imm_data, htonl(0x01020304));
    EXPECT_EQ(write.raw().wr.rdma.remote_addr, 0x1000U);
    EXPECT_EQ(write.raw().wr.rdma.rkey, 0xabcU);
}

TEST_F(SendRequestTest, NamesThePeersMemory) {
    auto write = SendRequest::write(there_);
    EXPECT_EQ(write.raw().opcode, IBV_WR_RDMA_WRITE);
    EXPECT_EQ(write.raw().wr.rdma.remote_addr, 0x1000U);
    EXPECT_EQ(write.raw().wr.rdma.rkey, 0xabcU);
    auto read = SendRequest::read(there_.slice(8, 8));
    EXPECT_EQ(read.raw().opcode, IBV_WR_RDMA_READ);
    EXPECT_EQ(read.raw().wr.rdma.remote_addr, 0x1008U);
    EXPECT_EQ(read.raw().wr.rdma.rkey, 0xabcU);
}

TEST_F(SendRequestTest, NamesTheNumbersOfAtomics) {
    auto swap = SendRequest::compare_and_swap(there_, 1, 2);
    EXPECT_EQ(swap.raw().opcode, IBV_WR_ATOMIC_CMP_AND_SWP);
    EXPECT_EQ(swap.raw().wr.atomic.remote_addr, 0x1000U);
    EXPECT_EQ(swap.raw().wr.atomic.compare_add, 1U);
    EXPECT_EQ(swap.raw().wr.atomic.swap, 2U);
    EXPECT_EQ(swap.raw().wr.atomic.rkey, 0xabcU);
    auto add = SendRequest::fetch_and_add(there_, 3);
    EXPECT_EQ(add.raw().opcode, IBV_WR_ATOMIC_FETCH_AND_ADD);
    EXPECT_EQ(add.raw().wr.atomic.remote_addr, 0x1000U);
    EXPECT_EQ(add.raw().wr.atomic.compare_add, 3U);
    EXPECT_EQ(add.raw().wr.atomic.rkey, 0xabcU);
}

TEST_F(SendRequestTest, HasTheFlagsThatWereAskedFor) {
    EXPECT_EQ(SendRequest::send().unsignaled().raw().send_flags, 0U);
    EXPECT_EQ(SendRequest::send().unsignaled().inlined().solicited().fenced().raw().send_flags,
              unsigned{IBV_SEND_INLINE} | IBV_SEND_SOLICITED | IBV_SEND_FENCE);
}

TEST_F(SendRequestTest, GoesToAnAddress) {
    auto request = SendRequest::send().to(*world_.address, 12, 13);
    EXPECT_EQ(request.raw().wr.ud.ah, world_.address->raw());
    EXPECT_EQ(request.raw().wr.ud.remote_qpn, 12U);
    EXPECT_EQ(request.raw().wr.ud.remote_qkey, 13U);
}

TEST_F(SendRequestTest, TakesSoManySlicesAndNoMore) {
    auto send = SendRequest::send();
    RecvRequest receive;
    const auto slice = world_.region->slice(0, 1);
    for (std::size_t i = 0; i < SliceList::max_size; ++i) {
        send.with(slice);
        receive.into(slice);
    }
    EXPECT_THROW(send.with(slice), std::length_error);
    EXPECT_THROW(receive.into(slice), std::length_error);
    EXPECT_TRUE(world_.qp->post_send(send));
    EXPECT_EQ(fake_.slices.back().size(), SliceList::max_size);
}

TEST(AddressOptions, BecomeAnAttribute) {
    AddressOptions options{.gid = Ipv6Address{"fd00::1"},
                           .gid_index = 255,
                           .port = 2,
                           .lid = 3,
                           .hop_limit = 4,
                           .traffic_class = 5,
                           .service_level = 6};
    const ibv_ah_attr attr = options.to_attr();
    EXPECT_EQ(to_address(attr.grh.dgid), options.gid);
    EXPECT_EQ(attr.is_global, 1);
    EXPECT_EQ(attr.grh.sgid_index, 255);
    EXPECT_EQ(attr.port_num, 2);
    EXPECT_EQ(attr.dlid, 3);
    EXPECT_EQ(attr.grh.hop_limit, 4);
    EXPECT_EQ(attr.grh.traffic_class, 5);
    EXPECT_EQ(attr.sl, 6);
    options.gid = {};
    EXPECT_EQ(options.to_attr().is_global, 0);  // by LID alone, on InfiniBand
}

}  // namespace
}  // namespace pktverbs::testing
