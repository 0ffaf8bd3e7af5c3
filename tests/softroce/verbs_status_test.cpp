// SPDX-License-Identifier: Apache-2.0
// How requests fail: each status, provoked.
#include <gtest/gtest.h>

#include <array>
#include <cerrno>
#include <set>
#include <utility>

#include "expect_error.hpp"
#include "node.hpp"

namespace pktverbs::testing {
namespace {

using verbs::RecvRequest;
using verbs::SendRequest;

class StatusTest : public ::testing::Test {
protected:
    StatusTest()
        : pair_{IBV_QPT_RC, [](verbs::QueuePairBuilder& builder) {
                    builder.options().rnr_retry = 0;
                    builder.options().retry_count = 1;
                    builder.options().timeout = 10;  // 4 ms
                }} {}
    /// Fails with one of these, and takes the queue pair to ERR.
    void expect_failure(SendRequest request, std::set<ibv_wc_status> statuses) {
        std::array batch{request.id(1), SendRequest::send().id(2)};
        expect_posted(a_qp_.post_send(batch), batch.size());
        const auto failed = a_.wait();
        EXPECT_TRUE(statuses.contains(failed.status())) << failed.to_string();
        EXPECT_EQ(failed.id(), 1U);
        EXPECT_FALSE(failed.ok());
        EXPECT_EQ(failed.queue_pair(), a_qp_.number());
        const auto flushed = a_.wait();
        EXPECT_EQ(flushed.status(), IBV_WC_WR_FLUSH_ERR) << flushed.to_string();
        EXPECT_EQ(flushed.id(), 2U);
        EXPECT_EQ(a_qp_.state(), IBV_QPS_ERR);
    }

    Pair pair_;
    Node& a_ = pair_.a;
    Node& b_ = pair_.b;
    verbs::QueuePair& a_qp_ = pair_.a_qp;
    verbs::QueuePair& b_qp_ = pair_.b_qp;
};

TEST_F(StatusTest, ReceiverNotReady) {
    expect_failure(SendRequest::send().with(a_.slice(0, 10)), {IBV_WC_RNR_RETRY_EXC_ERR});
    EXPECT_EQ(b_qp_.state(), IBV_QPS_RTS);
}

TEST_F(StatusTest, WriteWithAnUnknownKey) {
    const auto real = b_.region.remote();
    expect_failure(SendRequest::write(verbs::RemoteSlice{real.address(), 10, real.key() ^ 0x55}).with(a_.slice(0, 10)),
                   {IBV_WC_REM_ACCESS_ERR});
}

TEST_F(StatusTest, ReadWithAnUnknownKey) {
    const auto real = b_.region.remote();
    expect_failure(SendRequest::read(verbs::RemoteSlice{real.address(), 10, real.key() ^ 0x55}).with(a_.slice(0, 10)),
                   {IBV_WC_REM_ACCESS_ERR});
}

TEST_F(StatusTest, WriteBeyondTheRegion) {
    const auto real = b_.region.remote();
    expect_failure(
        SendRequest::write(verbs::RemoteSlice{real.address() + real.size() - 5, 10, real.key()}).with(a_.slice(0, 10)),
        {IBV_WC_REM_ACCESS_ERR});
}

TEST_F(StatusTest, WriteToARegionThatAllowsNone) {
    Bytes memory(4096);
    const verbs::MemoryRegion closed{b_.pd, memory};
    expect_failure(SendRequest::write(closed.remote()).with(a_.slice(0, 10)), {IBV_WC_REM_ACCESS_ERR});
}

TEST_F(StatusTest, WriteToARegionThatIsGone) {
    Bytes memory(4096);
    auto gone = std::optional<verbs::MemoryRegion>{std::in_place, b_.pd, memory, all_access};
    const auto to = gone->remote();
    gone.reset();
    expect_failure(SendRequest::write(to).with(a_.slice(0, 10)), {IBV_WC_REM_ACCESS_ERR});
}

TEST_F(StatusTest, WriteToAQueuePairThatAllowsNone) {
    auto builder = a_.builder(IBV_QPT_RC);
    auto qp = builder.create();
    auto closed = b_.builder(IBV_QPT_RC).access(0).create();
    introduce(qp, closed);
    expect_posted(qp.post_send(SendRequest::write(b_.remote(0, 10)).with(a_.slice(0, 10))));
    const auto failed = a_.wait();
    // InfiniBand lets the responder choose (o9-5.2.1 and table 59); SoftRoCE takes it for an invalid request.
    EXPECT_TRUE(failed.status() == IBV_WC_REM_INV_REQ_ERR || failed.status() == IBV_WC_REM_ACCESS_ERR)
        << failed.to_string();
}

TEST_F(StatusTest, AtomicOnAnOddAddress) {
    const auto request = SendRequest::fetch_and_add(b_.remote(3, 8), 1).with(a_.slice(0, 8));
    const auto result = a_qp_.post_send(SendRequest{request});
    EXPECT_EQ(result.error, EINVAL);  // SoftRoCE's provider looks at it before it is posted
    EXPECT_EQ(result.posted, 0U);
}

TEST_F(StatusTest, MessageLongerThanTheReceive) {
    expect_posted(b_qp_.post_recv(RecvRequest{5}.into(b_.slice(0, 10))));
    // InfiniBand says invalid request and length error. SoftRoCE of Linux 6.1 takes such a receive for a malformed one.
    expect_failure(SendRequest::send().with(a_.slice(0, 100)), {IBV_WC_REM_INV_REQ_ERR, IBV_WC_REM_OP_ERR});
    const auto received = b_.wait();
    EXPECT_TRUE(received.status() == IBV_WC_LOC_LEN_ERR || received.status() == IBV_WC_LOC_QP_OP_ERR)
        << received.to_string();
    EXPECT_EQ(received.id(), 5U);
}

TEST_F(StatusTest, UnregisteredLocalMemory) {
    Bytes memory(4096);
    auto gone = std::optional<verbs::MemoryRegion>{std::in_place, a_.pd, memory};
    const auto slice = gone->slice();
    gone.reset();
    expect_failure(SendRequest::read(b_.remote(0, 4096)).with(slice), {IBV_WC_LOC_PROT_ERR});
}

TEST_F(StatusTest, UnregisteredLocalMemoryToSend) {
    Bytes memory(4096);
    auto gone = std::optional<verbs::MemoryRegion>{std::in_place, a_.pd, memory};
    const auto slice = gone->slice();
    gone.reset();
    expect_posted(b_qp_.post_recv(RecvRequest{}.into(b_.slice(0, 8192))));
    // SoftRoCE reports the second, the others the first.
    expect_failure(SendRequest::send().with(slice), {IBV_WC_LOC_PROT_ERR, IBV_WC_LOC_QP_OP_ERR});
}

TEST_F(StatusTest, LocalMemoryOfAnotherDomain) {
    const verbs::ProtectionDomain other{a_.device};
    Bytes memory(4096);
    const verbs::MemoryRegion foreign{other, memory};
    expect_failure(SendRequest::read(b_.remote(0, 4096)).with(foreign.slice()), {IBV_WC_LOC_PROT_ERR});
}

TEST_F(StatusTest, LocalMemoryThatMayNotBeWritten) {
    Bytes memory(4096);
    const verbs::MemoryRegion constant{a_.pd, memory, 0};
    expect_failure(SendRequest::read(b_.remote(0, 4096)).with(constant.slice()), {IBV_WC_LOC_PROT_ERR});
}

TEST_F(StatusTest, PeerGone) {
    b_qp_ = b_.builder(IBV_QPT_RC).create();  // and the one that was there has ended
    expect_failure(SendRequest::send().with(a_.slice(0, 10)), {IBV_WC_RETRY_EXC_ERR});
}

TEST_F(StatusTest, Flushed) {
    std::array receives{RecvRequest{1}, RecvRequest{2}, RecvRequest{3}};
    expect_posted(a_qp_.post_recv(receives), receives.size());
    EXPECT_TRUE(a_.idle());
    a_qp_.to_error();
    for (std::uint64_t id = 1; id <= 3; ++id) {
        const auto flushed = a_.wait();
        EXPECT_EQ(flushed.status(), IBV_WC_WR_FLUSH_ERR);
        EXPECT_EQ(flushed.id(), id);
    }
    // Requests posted now come back the same way.
    expect_posted(a_qp_.post_send(SendRequest::send().id(4).unsignaled()));
    const auto flushed = a_.wait();
    EXPECT_EQ(flushed.status(), IBV_WC_WR_FLUSH_ERR);
    EXPECT_EQ(flushed.id(), 4U);
    expect_words(flushed.to_string(), {"4: Work Request Flushed Error"});
}

TEST_F(StatusTest, UnreliableRead) {
    Pair pair{IBV_QPT_UC};
    const auto result = pair.a_qp.post_send(SendRequest::read(pair.b.remote(0, 10)).with(pair.a.slice(0, 10)));
    if (!result) return;  // some refuse at once
    EXPECT_FALSE(pair.a.wait().ok());
}

}  // namespace
}  // namespace pktverbs::testing
