// SPDX-License-Identifier: Apache-2.0
// Every operation of connected queue pairs, reliable and not.
#include <gtest/gtest.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "node.hpp"

namespace pktverbs::testing {
namespace {

using verbs::RecvRequest;
using verbs::SendRequest;

class ConnectedTest : public ::testing::TestWithParam<ibv_qp_type> {
protected:
    Pair pair_{GetParam(), [](verbs::QueuePairBuilder& builder) { builder.max_inline(64); }};
    Node& a_ = pair_.a;
    Node& b_ = pair_.b;
    verbs::QueuePair& a_qp_ = pair_.a_qp;
    verbs::QueuePair& b_qp_ = pair_.b_qp;
};

INSTANTIATE_TEST_SUITE_P(Types, ConnectedTest, ::testing::Values(IBV_QPT_RC, IBV_QPT_UC),
                         [](const auto& type) { return type.param == IBV_QPT_RC ? "Reliable" : "Unreliable"; });

TEST_P(ConnectedTest, SendsAMessage) {
    const Bytes message = pattern(1000);
    expect_posted(b_qp_.post_recv(RecvRequest{7}.into(b_.slice(0, 2000))));
    expect_posted(a_qp_.post_send(SendRequest::send().with(a_.put(0, message)).id(9)));

    const auto sent = a_.wait_ok();
    EXPECT_EQ(sent.id(), 9U);
    EXPECT_FALSE(sent.is_receive());
    EXPECT_EQ(sent.opcode(), IBV_WC_SEND);
    EXPECT_EQ(sent.queue_pair(), a_qp_.number());
    const auto received = b_.wait_ok();
    EXPECT_EQ(received.id(), 7U);
    EXPECT_TRUE(received.is_receive());
    EXPECT_EQ(received.length(), message.size());
    EXPECT_EQ(received.queue_pair(), b_qp_.number());
    EXPECT_EQ(received.immediate(), std::nullopt);
    EXPECT_EQ(b_.copy(0, message.size()), message);
}

TEST_P(ConnectedTest, SendsBothWays) {
    expect_posted(a_qp_.post_recv(RecvRequest{}.into(a_.slice(1000, 100))));
    expect_posted(b_qp_.post_recv(RecvRequest{}.into(b_.slice(1000, 100))));
    expect_posted(a_qp_.post_send(SendRequest::send().with(a_.put(0, pattern(100, 1))).unsignaled()));
    expect_posted(b_qp_.post_send(SendRequest::send().with(b_.put(0, pattern(100, 2))).unsignaled()));
    a_.wait_ok();
    b_.wait_ok();
    EXPECT_EQ(a_.copy(1000, 100), pattern(100, 2));
    EXPECT_EQ(b_.copy(1000, 100), pattern(100, 1));
}

TEST_P(ConnectedTest, SendsAnImmediate) {
    expect_posted(b_qp_.post_recv(RecvRequest{}.into(b_.slice(0, 100))));
    expect_posted(a_qp_.post_send(SendRequest::send_with_immediate(0x01020304).with(a_.put(0, pattern(10)))));
    a_.wait_ok();
    const auto received = b_.wait_ok();
    EXPECT_EQ(received.immediate(), 0x01020304U);
    EXPECT_EQ(received.length(), 10U);
}

TEST_P(ConnectedTest, SendsAnImmediateAlone) {
    expect_posted(b_qp_.post_recv(RecvRequest{}));
    expect_posted(a_qp_.post_send(SendRequest::send_with_immediate(5)));
    a_.wait_ok();
    const auto received = b_.wait_ok();
    EXPECT_EQ(received.immediate(), 5U);
    EXPECT_EQ(received.length(), 0U);
}

TEST_P(ConnectedTest, SendsAMessageOfManyPackets) {
    const Bytes message = pattern(30000);
    expect_posted(b_qp_.post_recv(RecvRequest{}.into(b_.slice(0, 40000))));
    expect_posted(a_qp_.post_send(SendRequest::send().with(a_.put(0, message))));
    a_.wait_ok();
    EXPECT_EQ(b_.wait_ok().length(), message.size());
    EXPECT_EQ(b_.copy(0, message.size()), message);
}

TEST_P(ConnectedTest, GathersAndScatters) {
    expect_posted(b_qp_.post_recv(
        RecvRequest{}.into(b_.slice(0, 10)).into(b_.slice(100, 10)).into(b_.slice(200, 20)).into(b_.slice(300, 100))));
    const Bytes message = pattern(90);
    a_.put(0, message);
    expect_posted(a_qp_.post_send(
        SendRequest::send().with(a_.slice(0, 15)).with(a_.slice(15, 30)).with(a_.slice(45, 5)).with(a_.slice(50, 40))));
    a_.wait_ok();
    EXPECT_EQ(b_.wait_ok().length(), 90U);
    Bytes all = b_.copy(0, 10);
    for (const auto& part : {b_.copy(100, 10), b_.copy(200, 20), b_.copy(300, 50)})
        all.insert(all.end(), part.begin(), part.end());
    EXPECT_EQ(all, message);
}

TEST_P(ConnectedTest, CopiesWhatIsInlined) {
    EXPECT_GE(a_qp_.limits().max_inline_data, 64U);
    const Bytes message = pattern(64);
    expect_posted(b_qp_.post_recv(RecvRequest{}.into(b_.slice(0, 100))));
    // The last message has its own receive, so the first one's contents stay.
    expect_posted(b_qp_.post_recv(RecvRequest{}.into(b_.slice(100, 100))));
    std::array batch{SendRequest::send().with(a_.put(0, message)).inlined(),
                     SendRequest::write(b_.remote(200, 64)).with(a_.slice(0, 64)).inlined()};
    expect_posted(a_qp_.post_send(batch), 2);
    std::fill_n(a_.memory.begin(), 64, std::uint8_t{0});
    a_.wait_ok();
    a_.wait_ok();
    b_.wait_ok();
    EXPECT_EQ(b_.copy(0, 64), message);
    // Only a message after it shows that an unreliable write has arrived.
    expect_posted(a_qp_.post_send(SendRequest::send().unsignaled()));
    b_.wait_ok();
    EXPECT_EQ(b_.copy(200, 64), message);
}

TEST_P(ConnectedTest, RefusesToInlineTooMuch) {
    const auto most = a_qp_.limits().max_inline_data;
    const auto result = a_qp_.post_send(SendRequest::send().with(a_.slice(0, most + 1)).inlined());
    EXPECT_FALSE(result);
    EXPECT_EQ(result.posted, 0U);
    EXPECT_GT(result.error, 0);
}

TEST_P(ConnectedTest, WritesToThePeersMemory) {
    const Bytes data = pattern(5000);
    expect_posted(b_qp_.post_recv(RecvRequest{}));
    std::array batch{SendRequest::write(b_.remote(1000, data.size())).with(a_.put(0, data)).id(1),
                     SendRequest::send().id(2)};
    expect_posted(a_qp_.post_send(batch), 2);
    const auto written = a_.wait_ok();
    EXPECT_EQ(written.id(), 1U);
    EXPECT_EQ(written.opcode(), IBV_WC_RDMA_WRITE);
    EXPECT_EQ(a_.wait_ok().id(), 2U);
    EXPECT_EQ(b_.wait_ok().length(), 0U);  // the peer gets only the message after it
    EXPECT_EQ(b_.copy(1000, data.size()), data);
    EXPECT_TRUE(b_.idle());
}

TEST_P(ConnectedTest, WritesWithAnImmediate) {
    const Bytes data = pattern(500);
    expect_posted(b_qp_.post_recv(RecvRequest{3}));
    const auto to = verbs::RemoteSlice::from_bytes(b_.remote(1000, data.size()).to_bytes());
    ASSERT_TRUE(to);
    expect_posted(a_qp_.post_send(SendRequest::write_with_immediate(*to, 77).with(a_.put(0, data))));
    a_.wait_ok();
    const auto notified = b_.wait_ok();
    EXPECT_EQ(notified.id(), 3U);
    EXPECT_EQ(notified.opcode(), IBV_WC_RECV_RDMA_WITH_IMM);
    EXPECT_TRUE(notified.is_receive());
    EXPECT_EQ(notified.immediate(), 77U);
    EXPECT_EQ(notified.length(), data.size());
    EXPECT_EQ(b_.copy(1000, data.size()), data);
}

TEST_P(ConnectedTest, CompletesOnlyWhatIsSignaled) {
    std::array<RecvRequest, 4> receives;
    for (std::size_t i = 0; i < receives.size(); ++i) receives[i] = RecvRequest{i}.into(b_.slice(100 * i, 100));
    expect_posted(b_qp_.post_recv(receives), receives.size());
    std::array batch{SendRequest::send().with(a_.slice(0, 10)).unsignaled().id(1),
                     SendRequest::send().with(a_.slice(0, 20)).unsignaled().id(2),
                     SendRequest::send().with(a_.slice(0, 30)).unsignaled().id(3),
                     SendRequest::send().with(a_.slice(0, 40)).id(4)};
    expect_posted(a_qp_.post_send(batch), batch.size());
    EXPECT_EQ(a_.wait_ok().id(), 4U);
    EXPECT_TRUE(a_.idle());
    for (std::uint32_t i = 0; i < 4; ++i) {
        const auto received = b_.wait_ok();
        EXPECT_EQ(received.id(), i);
        EXPECT_EQ(received.length(), 10 * (i + 1));
    }
}

TEST_P(ConnectedTest, ReportsHowManyReceivesWereUsed) {
    const std::size_t room = b_qp_.limits().max_recv_wr;
    EXPECT_GE(room, 16U);
    std::vector<RecvRequest> receives(room * 4);
    const auto result = b_qp_.post_recv(receives);
    EXPECT_EQ(result.error, ENOMEM);
    EXPECT_GE(result.posted, room);
    EXPECT_LT(result.posted, receives.size());
    EXPECT_FALSE(b_qp_.post_recv(RecvRequest{}));
    b_qp_.to_error();
    for (std::size_t i = 0; i < result.posted; ++i) EXPECT_EQ(b_.wait().status(), IBV_WC_WR_FLUSH_ERR);
    EXPECT_TRUE(b_.idle());
}

TEST_P(ConnectedTest, TalksToItself) {
    auto qp = a_.builder(GetParam()).create();
    qp.connect(qp.endpoint());
    expect_posted(qp.post_recv(RecvRequest{1}.into(a_.slice(1000, 100))));
    expect_posted(qp.post_send(SendRequest::send().with(a_.put(0, pattern(100))).unsignaled()));
    const auto received = a_.wait_ok();
    EXPECT_EQ(received.id(), 1U);
    EXPECT_EQ(a_.copy(1000, 100), pattern(100));
}

TEST_P(ConnectedTest, TalksToAnotherOnItsOwnDevice) {
    auto one = a_.builder(GetParam()).create();
    auto other = a_.builder(GetParam()).create();
    introduce(one, other);
    expect_posted(other.post_recv(RecvRequest{1}.into(a_.slice(1000, 100))));
    expect_posted(one.post_send(SendRequest::send().with(a_.put(0, pattern(100))).unsignaled()));
    EXPECT_EQ(a_.wait_ok().queue_pair(), other.number());
    EXPECT_EQ(a_.copy(1000, 100), pattern(100));
}

TEST_P(ConnectedTest, GoesThroughItsStates) {
    auto qp = a_.builder(GetParam()).create();
    EXPECT_EQ(qp.state(), IBV_QPS_INIT);
    auto peer = b_.builder(GetParam()).create();
    introduce(qp, peer);
    EXPECT_EQ(qp.state(), IBV_QPS_RTS);
    qp.to_error();
    EXPECT_EQ(qp.state(), IBV_QPS_ERR);
    qp.reset();
    EXPECT_EQ(qp.state(), IBV_QPS_INIT);
}

TEST_P(ConnectedTest, TalksAgainAfterAReset) {
    a_qp_.to_error();
    b_qp_.to_error();
    a_qp_.reset();
    b_qp_.reset();
    introduce(a_qp_, b_qp_);
    expect_posted(b_qp_.post_recv(RecvRequest{}.into(b_.slice(0, 100))));
    expect_posted(a_qp_.post_send(SendRequest::send().with(a_.put(0, pattern(100)))));
    a_.wait_ok();
    b_.wait_ok();
    EXPECT_EQ(b_.copy(0, 100), pattern(100));
}

TEST_P(ConnectedTest, StartsFromTheGivenSequenceNumber) {
    const auto far = [](verbs::QueuePairBuilder& builder) { builder.options().psn = 0xfffffe; };
    Pair pair{GetParam(), far};
    for (int i = 0; i < 4; ++i) {  // beyond the end of 24 bits
        expect_posted(pair.b_qp.post_recv(RecvRequest{}.into(pair.b.slice(0, 100))));
        expect_posted(pair.a_qp.post_send(SendRequest::send().with(pair.a.slice(0, 10)).unsignaled()));
        pair.b.wait_ok();
    }
}

TEST_P(ConnectedTest, UsesTheLowerMtu) {
    EXPECT_EQ(a_qp_.endpoint().mtu, IBV_MTU_4096);
    EXPECT_EQ(a_qp_.query(IBV_QP_PATH_MTU).path_mtu, IBV_MTU_4096);
    auto small = a_.builder(GetParam());
    small.options().mtu = IBV_MTU_512;
    auto one = small.create();
    auto other = b_.builder(GetParam()).create();
    introduce(one, other);
    EXPECT_EQ(one.query(IBV_QP_PATH_MTU).path_mtu, IBV_MTU_512);
    EXPECT_EQ(other.query(IBV_QP_PATH_MTU).path_mtu, IBV_MTU_512);
}

TEST_P(ConnectedTest, TalksOverIpv6) {
    const auto index_of = [](const Node& node, const char* address) {
        for (const auto& entry : node.device.gids())
            if (entry.gid == Ipv6Address::parse(address)) return entry.index;
        ADD_FAILURE() << address << " is no GID";
        return std::uint32_t{0};
    };
    auto a_builder = a_.builder(GetParam());
    a_builder.options().gid_index = index_of(a_, "fd52::1");
    auto b_builder = b_.builder(GetParam());
    b_builder.options().gid_index = index_of(b_, "fd52::2");
    auto one = a_builder.create();
    auto other = b_builder.create();
    introduce(one, other);
    EXPECT_EQ(one.endpoint().gid.to_string(), "fd52::1");
    expect_posted(other.post_recv(RecvRequest{}.into(b_.slice(0, 100))));
    expect_posted(one.post_send(SendRequest::send().with(a_.put(0, pattern(100))).unsignaled()));
    EXPECT_EQ(b_.wait_ok().length(), 100U);
}

class ReliableTest : public ::testing::Test {
protected:
    Pair pair_{IBV_QPT_RC};
    Node& a_ = pair_.a;
    Node& b_ = pair_.b;
    verbs::QueuePair& a_qp_ = pair_.a_qp;
    verbs::QueuePair& b_qp_ = pair_.b_qp;
};

TEST_F(ReliableTest, ReadsThePeersMemory) {
    const Bytes data = pattern(20000);
    b_.put(1000, data);
    expect_posted(
        a_qp_.post_send(SendRequest::read(b_.remote(1000, data.size())).with(a_.slice(0, data.size())).id(4)));
    const auto read = a_.wait_ok();
    EXPECT_EQ(read.id(), 4U);
    EXPECT_EQ(read.opcode(), IBV_WC_RDMA_READ);
    EXPECT_EQ(a_.copy(0, data.size()), data);
    EXPECT_TRUE(b_.idle());
}

TEST_F(ReliableTest, SwapsIfItIsAsExpected) {
    b_.put_number(64, 10);
    const auto at = b_.remote(64, 8);
    expect_posted(a_qp_.post_send(SendRequest::compare_and_swap(at, 11, 20).with(a_.slice(0, 8))));
    EXPECT_EQ(a_.wait_ok().opcode(), IBV_WC_COMP_SWAP);
    EXPECT_EQ(a_.number(0), 10U);
    EXPECT_EQ(b_.number(64), 10U);
    expect_posted(a_qp_.post_send(SendRequest::compare_and_swap(at, 10, 20).with(a_.slice(0, 8))));
    a_.wait_ok();
    EXPECT_EQ(a_.number(0), 10U);
    EXPECT_EQ(b_.number(64), 20U);
}

TEST_F(ReliableTest, AddsAndGivesWhatWasThere) {
    b_.put_number(64, ~std::uint64_t{0});
    const auto at = b_.remote(64, 8);
    expect_posted(a_qp_.post_send(SendRequest::fetch_and_add(at, 3).with(a_.slice(0, 8))));
    EXPECT_EQ(a_.wait_ok().opcode(), IBV_WC_FETCH_ADD);
    EXPECT_EQ(a_.number(0), ~std::uint64_t{0});
    EXPECT_EQ(b_.number(64), 2U);
}

TEST_F(ReliableTest, DoesSeveralThingsBehindOneDoorbell) {
    b_.put(2000, pattern(100, 9));
    b_.put_number(64, 5);
    expect_posted(b_qp_.post_recv(RecvRequest{}.into(b_.slice(1000, 100))));
    std::array batch{SendRequest::write(b_.remote(0, 8)).with(a_.put(0, pattern(8))).id(1),
                     SendRequest::fetch_and_add(b_.remote(64, 8), 1).with(a_.slice(8, 8)).id(2),
                     SendRequest::read(b_.remote(2000, 100)).with(a_.slice(100, 100)).id(3),
                     SendRequest::compare_and_swap(b_.remote(64, 8), 6, 7).with(a_.slice(16, 8)).id(4),
                     SendRequest::send().with(a_.slice(100, 100)).fenced().id(5)};
    expect_posted(a_qp_.post_send(batch), batch.size());
    for (std::uint64_t id = 1; id <= batch.size(); ++id) EXPECT_EQ(a_.wait_ok().id(), id);
    b_.wait_ok();
    EXPECT_EQ(b_.copy(0, 8), pattern(8));
    EXPECT_EQ(b_.number(64), 7U);
    EXPECT_EQ(a_.number(16), 6U);
    EXPECT_EQ(b_.copy(1000, 100), pattern(100, 9));  // fenced: what was read before
}

TEST_F(ReliableTest, WaitsForAReceive) {
    expect_posted(a_qp_.post_send(SendRequest::send().with(a_.put(0, pattern(100)))));
    expect_posted(b_qp_.post_recv(RecvRequest{}.into(b_.slice(0, 100))));
    a_.wait_ok();
    b_.wait_ok();
}

TEST_F(ReliableTest, KeepsTheOrderOfManyMessages) {
    constexpr std::uint32_t count = 1000;
    std::uint32_t sent = 0;
    std::uint32_t received = 0;
    for (std::uint32_t i = 0; i < 16; ++i)
        expect_posted(b_qp_.post_recv(RecvRequest{i}.into(b_.slice(std::size_t{8} * i, 8))));
    while (received < count) {
        while (sent < count && sent < received + 8) {
            a_.put_number(std::size_t{8} * (sent % 8), sent);
            expect_posted(a_qp_.post_send(SendRequest::send().with(a_.slice(std::size_t{8} * (sent % 8), 8)).id(sent)));
            ++sent;
        }
        const auto one = b_.wait_ok();
        ASSERT_TRUE(one.ok());
        ASSERT_EQ(b_.number(8 * one.id()), received);
        expect_posted(b_qp_.post_recv(RecvRequest{one.id()}.into(b_.slice(8 * one.id(), 8))));
        ASSERT_EQ(a_.wait_ok().id(), received);
        ++received;
    }
}

TEST_F(ReliableTest, ConnectsByTheBuildersOptions) {
    auto builder = a_.builder(IBV_QPT_RC);
    auto& options = builder.options();
    options.timeout = 10;
    options.retry_count = 3;
    options.rnr_retry = 2;
    options.min_rnr_timer = 5;
    options.max_rd_atomic = 4;
    options.max_dest_rd_atomic = 8;
    options.psn = 77;
    auto qp = builder.create();
    auto peer = b_.builder(IBV_QPT_RC).create();
    introduce(qp, peer);
    const auto attr = qp.query(IBV_QP_TIMEOUT | IBV_QP_RETRY_CNT | IBV_QP_RNR_RETRY | IBV_QP_SQ_PSN | IBV_QP_AV);
    EXPECT_EQ(attr.timeout, 10);
    EXPECT_EQ(attr.retry_cnt, 3);
    EXPECT_EQ(attr.rnr_retry, 2);
    EXPECT_EQ(attr.min_rnr_timer, 5);
    EXPECT_EQ(attr.max_rd_atomic, 4);
    EXPECT_EQ(attr.max_dest_rd_atomic, 8);
    EXPECT_EQ(attr.sq_psn, 77U);
    EXPECT_EQ(attr.dest_qp_num, peer.number());
    EXPECT_EQ(verbs::to_address(attr.ah_attr.grh.dgid), peer.endpoint().gid);
}

}  // namespace
}  // namespace pktverbs::testing
