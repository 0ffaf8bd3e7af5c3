// SPDX-License-Identifier: Apache-2.0
// The verbs layer's objects on soft devices: raw packets over a wire, and operations that a soft device refuses.
#include <gtest/gtest.h>

#include <array>
#include <cerrno>
#include <optional>
#include <vector>

#include <pktverbs/verbs/address_handle.hpp>
#include <pktverbs/verbs/queue_pair.hpp>

#include "expect_error.hpp"
#include "verbs_end.hpp"
#include "wire_device.hpp"

namespace pktverbs::testing {
namespace {

using verbs::Completion;
using verbs::RecvRequest;
using verbs::SendRequest;

constexpr std::chrono::seconds patience{5};

struct LayerEnd {
    LayerEnd(const char* wire, bool extended)
        : device{testing::wire_device(wire)},
          pd{device},
          memory(65536),
          region{pd, memory},
          channel{device},
          cq{device, {.channel = channel, .context = this, .extended = extended}},
          qp{verbs::QueuePairBuilder{pd, IBV_QPT_RAW_PACKET}
                 .completes_on(cq)
                 .depth(16, 16)
                 .slices(4, 4)
                 .max_inline(64)
                 .create()} {}

    /// Takes the frames of frame_to(`last`).
    void take(unsigned last) {
        const verbs::Provider& provider = device.provider();
        flow = {to_mac(last).with_block([&](ibv_flow_attr& attr) { return provider.create_flow(qp.raw(), &attr); }),
                {&provider}};
        ASSERT_TRUE(flow);
    }
    verbs::LocalSlice put(std::size_t offset, const Frame& frame) {
        std::copy(frame.begin(), frame.end(), memory.begin() + static_cast<std::ptrdiff_t>(offset));
        return region.slice(offset, frame.size());
    }
    Frame copy(std::size_t offset, std::size_t length) const {
        const auto from = memory.begin() + static_cast<std::ptrdiff_t>(offset);
        return {from, from + static_cast<std::ptrdiff_t>(length)};
    }

    verbs::OpenDevice device;
    verbs::ProtectionDomain pd;
    std::vector<std::uint8_t> memory;
    verbs::MemoryRegion region;
    verbs::CompletionChannel channel;
    verbs::CompletionQueue cq;
    verbs::QueuePair qp;
    verbs::FlowHandle flow;
};

/// With classic and extended queues.
class VerbsLayerTest : public ::testing::TestWithParam<bool> {
protected:
    VerbsLayerTest() {
        a_.qp.activate();
        b_.qp.activate();
        b_.take(2);
    }

    LayerEnd a_{"layer", GetParam()};
    LayerEnd b_{"layer", GetParam()};
};

INSTANTIATE_TEST_SUITE_P(, VerbsLayerTest, ::testing::Values(false, true),
                         [](const auto& test) { return test.param ? "ExtendedQueue" : "ClassicQueue"; });

TEST_P(VerbsLayerTest, HasTheQueueThatWasAskedFor) {
    EXPECT_EQ(a_.cq.is_extended(), GetParam());
    EXPECT_TRUE(a_.device.extended_polling_works());
    EXPECT_GE(a_.cq.capacity(), 256U);
}

TEST_P(VerbsLayerTest, SendsAFrame) {
    const Frame frame = frame_to(2, 100);
    EXPECT_TRUE(b_.qp.post_recv(RecvRequest{5}.into(b_.region.slice(0, 2048))));
    EXPECT_TRUE(a_.qp.post_send(SendRequest::send().with(a_.put(0, frame)).id(4)));
    const auto sent = a_.cq.poll_one();
    ASSERT_TRUE(sent);
    EXPECT_TRUE(sent->ok());
    EXPECT_EQ(sent->id(), 4U);
    EXPECT_FALSE(sent->is_receive());
    const auto received = b_.cq.poll_one();
    ASSERT_TRUE(received);
    EXPECT_EQ(received->id(), 5U);
    EXPECT_TRUE(received->is_receive());
    EXPECT_EQ(received->length(), 100U);
    EXPECT_EQ(received->queue_pair(), b_.qp.number());
    EXPECT_EQ(b_.copy(0, 100), frame);
}

TEST_P(VerbsLayerTest, GathersInlinesAndScatters) {
    const Frame frame = frame_to(2, 60);
    EXPECT_TRUE(b_.qp.post_recv(RecvRequest{}.into(b_.region.slice(0, 20)).into(b_.region.slice(1000, 100))));
    a_.put(0, Frame(frame.begin(), frame.begin() + 30));
    a_.put(500, Frame(frame.begin() + 30, frame.end()));
    EXPECT_GE(a_.qp.limits().max_inline_data, 64U);
    EXPECT_TRUE(a_.qp.post_send(
        SendRequest::send().with(a_.region.slice(0, 30)).with(a_.region.slice(500, 30)).inlined().unsignaled()));
    EXPECT_FALSE(a_.cq.poll_one());
    ASSERT_TRUE(b_.cq.poll_one());
    Frame got = b_.copy(0, 20);
    const Frame rest = b_.copy(1000, 40);
    got.insert(got.end(), rest.begin(), rest.end());
    EXPECT_EQ(got, frame);
}

TEST_P(VerbsLayerTest, SendsABatchWithOneDoorbell) {
    std::array<RecvRequest, 8> receives;
    for (std::size_t i = 0; i < receives.size(); ++i)
        receives[i] = RecvRequest{i}.into(b_.region.slice(2048 * i, 2048));
    EXPECT_EQ(b_.qp.post_recv(receives).posted, receives.size());
    const auto frame = a_.put(0, frame_to(2));
    std::vector<SendRequest> sends(8, SendRequest::send().with(frame));
    for (std::size_t i = 0; i < sends.size(); ++i) sends[i].id(i);
    EXPECT_EQ(a_.qp.post_send(sends).posted, sends.size());
    for (LayerEnd* end : {&a_, &b_}) {
        std::uint64_t next = 0;
        EXPECT_EQ(end->cq.poll(100, [&](const Completion& one) { EXPECT_EQ(one.id(), next++); }), 8U);
    }
}

TEST_P(VerbsLayerTest, ReportsHowMuchOfABatchWasTaken) {
    std::vector<RecvRequest> receives(100, RecvRequest{}.into(b_.region.slice(0, 2048)));
    const auto result = b_.qp.post_recv(receives);
    EXPECT_EQ(result.posted, b_.qp.limits().max_recv_wr);
    EXPECT_EQ(result.error, ENOMEM);
    b_.qp.to_error();
    std::size_t flushed = 0;
    b_.cq.poll(200, [&](const Completion& one) { flushed += one.status() == IBV_WC_WR_FLUSH_ERR; });
    EXPECT_EQ(flushed, result.posted);
}

TEST_P(VerbsLayerTest, WakesAWaiter) {
    b_.cq.arm();
    EXPECT_FALSE(b_.channel.next_event());
    EXPECT_TRUE(b_.qp.post_recv(RecvRequest{}.into(b_.region.slice(0, 2048))));
    EXPECT_TRUE(a_.qp.post_send(SendRequest::send().with(a_.put(0, frame_to(2)))));
    const auto event = b_.channel.wait_event(patience);
    ASSERT_TRUE(event);
    EXPECT_EQ(event->cq, b_.cq.raw());
    EXPECT_EQ(event->context, &b_);
    EXPECT_TRUE(b_.cq.poll_one());
}

TEST_P(VerbsLayerTest, GoesThroughItsStates) {
    auto qp = verbs::QueuePairBuilder{a_.pd, IBV_QPT_RAW_PACKET}.completes_on(a_.cq).create();
    EXPECT_EQ(qp.state(), IBV_QPS_INIT);
    qp.activate();
    EXPECT_EQ(qp.state(), IBV_QPS_RTS);
    qp.to_error();
    EXPECT_EQ(qp.state(), IBV_QPS_ERR);
    qp.reset();
    qp.activate();
    EXPECT_EQ(qp.state(), IBV_QPS_RTS);
    expect_words(expect_error(EINVAL, [&] { qp.connect(verbs::Endpoint{}); }), {"activate()"});
    expect_words(expect_error(EINVAL,
                              [&] {
                                  ibv_qp_attr attr{};
                                  attr.qp_state = IBV_QPS_INIT;
                                  qp.modify(attr, IBV_QP_STATE | IBV_QP_PORT);
                              }),
                 {"cannot bring a raw packet queue pair to INIT on wire:layer", "can't go from RTS to INIT"});
}

TEST_P(VerbsLayerTest, LetsHandlesGoInAnyOrder) {
    std::optional<verbs::OpenDevice> device{testing::wire_device("order")};
    std::optional<verbs::ProtectionDomain> pd{*device};
    std::optional<verbs::CompletionQueue> cq{std::in_place, *device,
                                             verbs::CompletionQueueOptions{.extended = GetParam()}};
    auto qp = verbs::QueuePairBuilder{*pd, IBV_QPT_RAW_PACKET}.completes_on(*cq).create();
    device.reset();
    cq.reset();
    pd.reset();
    qp.activate();
    EXPECT_EQ(qp.state(), IBV_QPS_RTS);
}

TEST(SoftVerbs, ReportTheLink) {
    verbs::OpenDevice device{testing::wire_device("link")};
    EXPECT_FALSE(device.next_event());
    EXPECT_EQ(device.port().state, IBV_PORT_ACTIVE);
    Wire wire{"link"};
    wire.set_link(false);
    EXPECT_TRUE(readable(device.async_fd()));
    const auto event = device.next_event();
    ASSERT_TRUE(event);
    EXPECT_EQ(event->to_string(), "port 1: port error");
    EXPECT_FALSE(readable(device.async_fd()));
    EXPECT_EQ(device.port().state, IBV_PORT_DOWN);
}

TEST(SoftVerbs, HaveTheirMacAddressAsTheirGid) {
    const verbs::OpenDevice device{testing::wire_device("gid")};
    const auto gids = device.gids();
    ASSERT_EQ(gids.size(), 2U);
    EXPECT_TRUE(gids[0].gid.link_local_mac());
    EXPECT_EQ(gids[0].type, verbs::GidType::roce_v1);
    EXPECT_EQ(gids[1].gid, gids[0].gid);
    EXPECT_EQ(gids[1].type, verbs::GidType::roce_v2);
    EXPECT_EQ(device.default_gid().index, 1U);
    EXPECT_EQ(device.attributes().phys_port_cnt, 1);
    EXPECT_EQ(device.extended_attributes().orig_attr.phys_port_cnt, 1);
}

TEST(SoftVerbs, RefuseQueuePairsOfOtherTypes) {
    const verbs::OpenDevice device{testing::wire_device("types")};
    const verbs::ProtectionDomain pd{device};
    const verbs::CompletionQueue cq{device};
    const auto refusal = [&](ibv_qp_type type) {
        return expect_error(EOPNOTSUPP, [&] { verbs::QueuePairBuilder{pd, type}.completes_on(cq).create(); });
    };
    EXPECT_EQ(refusal(IBV_QPT_RC),
              "cannot create a reliable connected queue pair on wire:types: Operation not supported "
              "(this device has none of that type: soft devices have raw packet ones only)");
    expect_words(refusal(IBV_QPT_UC), {"cannot create an unreliable connected queue pair on wire:types: "});
    expect_words(refusal(IBV_QPT_UD), {"cannot create a datagram queue pair on wire:types: "});
}

TEST(SoftVerbs, ResizeACompletionQueue) {
    const verbs::OpenDevice device{testing::wire_device("resize")};
    verbs::CompletionQueue cq{device};
    cq.resize(1000);
    EXPECT_EQ(cq.raw()->cqe, 1024);
    expect_words(expect_error(EINVAL, [&] { cq.resize(1U << 21); }),
                 {"cannot resize a completion queue on wire:resize", "fewer are granted"});
}

TEST(SoftVerbs, RefuseWhatRawPacketsHaveNoUseFor) {
    const verbs::OpenDevice device{testing::wire_device("none")};
    const verbs::ProtectionDomain pd{device};
    verbs::CompletionQueue cq{device};
    auto qp = verbs::QueuePairBuilder{pd, IBV_QPT_RAW_PACKET}.completes_on(cq).create();
    const Ipv6Address group{"ff0e::1"};
    expect_words(expect_error(EOPNOTSUPP, [&] { verbs::SharedReceiveQueue{pd}; }),
                 {"cannot create a shared receive queue on wire:none", "to each queue pair"});
    expect_words(expect_error(EOPNOTSUPP, [&] { verbs::AddressHandle(pd, verbs::AddressOptions{}); }),
                 {"cannot create an address handle to :: on wire:none", "no datagram queue pairs"});
    expect_words(expect_error(EBADF, [&] { verbs::MemoryRegion::from_dmabuf(pd, -1, 0, 4096, 0); }),
                 {"cannot register a dmabuf on wire:none", "not a dmabuf's"});
    expect_words(expect_error(EOPNOTSUPP, [&] { qp.join(group); }), {"cannot join the group ff0e::1 on wire:none"});
    expect_words(expect_error(EOPNOTSUPP, [&] { qp.leave(group); }), {"cannot leave the group ff0e::1 on wire:none"});
}

TEST(SoftVerbs, RefuseRegionsThatAreNone) {
    const verbs::OpenDevice device{testing::wire_device("regions")};
    const verbs::ProtectionDomain pd{device};
    std::array<std::uint8_t, 64> memory{};
    expect_words(expect_error(EINVAL, [&] { verbs::MemoryRegion(pd, std::span<std::uint8_t>{}); }),
                 {"cannot register memory", "empty"});
    expect_words(expect_error(EINVAL, [&] { verbs::MemoryRegion(pd, memory, IBV_ACCESS_REMOTE_WRITE); }),
                 {"without IBV_ACCESS_LOCAL_WRITE"});
    expect_words(expect_error(EOPNOTSUPP, [&] { verbs::MemoryRegion(pd, memory, IBV_ACCESS_ON_DEMAND); }),
                 {"access flags"});
}

TEST(SoftVerbs, RefuseMemoryOfAnotherDomain) {
    LayerEnd end{"foreign", false};
    end.qp.activate();
    const verbs::ProtectionDomain other{end.device};
    std::array<std::uint8_t, 64> memory{};
    const verbs::MemoryRegion foreign{other, memory};
    EXPECT_TRUE(end.qp.post_send(SendRequest::send().with(foreign.slice())));
    const auto failed = end.cq.poll_one();
    ASSERT_TRUE(failed);
    EXPECT_EQ(failed->status(), IBV_WC_LOC_PROT_ERR) << failed->to_string();
}

}  // namespace
}  // namespace pktverbs::testing
