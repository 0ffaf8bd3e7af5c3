// SPDX-License-Identifier: Apache-2.0
// The code in docs/api.md that needs an RDMA device; see api_snippets.cpp. Run in the machine of scripts/softroce.
#include <fmt/core.h>

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <span>
#include <stdexcept>
#include <string_view>
#include <vector>

#include <pktverbs/datagram/datagrams.hpp>
#include <pktverbs/pktverbs.hpp>
#include <pktverbs/verbs/address_handle.hpp>
#include <pktverbs/verbs/async_event.hpp>
#include <pktverbs/verbs/endpoint.hpp>
#include <pktverbs/verbs/memory_region.hpp>
#include <pktverbs/verbs/queue_pair.hpp>

namespace {

using namespace pktverbs;
using namespace std::chrono_literals;

constexpr std::string_view text = "hello";

bool is_text(std::span<const std::uint8_t> bytes) { return std::ranges::equal(bytes, text); }

std::size_t write_text(std::span<std::uint8_t> buffer) {
    std::ranges::copy(text, buffer.begin());
    return text.size();
}

TEST(RdmaSnippets, Datagrams) {
    Context server{"ibv:rxe1", {.transport = Transport::datagram, .max_packet_size = 1024}};
    const auto tell = [](std::span<const std::uint8_t> bytes) { EXPECT_FALSE(bytes.empty()); };
    const auto hear = [&] { return server.datagrams().endpoint().to_bytes(); };
    // [datagrams]
    Context ctx{"ibv:rxe0", {.transport = Transport::datagram, .max_packet_size = 1024}};
    tell(ctx.datagrams().endpoint().to_bytes());  // to the peer, by other means
    const Peer peer = ctx.datagrams().peer(verbs::Endpoint::from_bytes(hear()).value());

    SendList packets = ctx.acquire(8);
    for (auto& pkt : packets) {
        pkt.set_peer(peer);
        pkt.set_length(write_text(pkt.buffer()));
    }
    const SendList unsent = ctx.send(std::move(packets));
    // [/datagrams]
    EXPECT_TRUE(unsent.empty());

    while (server.stats().recv_packets < 8) {
        // [datagram-answer]
        for (const auto& question : server.recv(1s)) {
            SendList answer = server.acquire(1);
            for (auto& pkt : answer) {
                std::ranges::copy(question.bytes(), pkt.buffer().begin());
                pkt.set_length(question.length());
                pkt.set_peer(server.datagrams().peer(question));
            }
            server.send(std::move(answer));
        }
        // [/datagram-answer]
    }
    std::size_t received = 0;
    while (received < 8) {
        const RecvList answers = ctx.recv(5s);
        ASSERT_FALSE(answers.empty());
        for (const auto& pkt : answers) EXPECT_TRUE(is_text(pkt.bytes()));
        received += answers.size();
    }
}

TEST(RdmaSnippets, DatagramGroups) {
    Context sender{"ibv:rxe0", {.transport = Transport::datagram, .recv_packets = none}};
    Context receiver{"ibv:rxe1", {.transport = Transport::datagram, .send_packets = none}};
    // [datagram-groups]
    receiver.datagrams().join(Ipv4Address{"239.2.1.150"});
    const Peer group = sender.datagrams().peer(Ipv4Address{"239.2.1.150"});
    // [/datagram-groups]
    SendList packets = sender.acquire(1);
    packets.front().set_peer(group);
    packets.front().set_length(write_text(packets.front().buffer()));
    EXPECT_TRUE(sender.send(std::move(packets)).empty());
    EXPECT_EQ(receiver.recv(5s).size(), 1u);
}

/// The other program: a reliable queue pair on rxe1 that takes whatever comes.
class Other {
public:
    Other() {
        std::vector<verbs::RecvRequest> receives(8, verbs::RecvRequest{}.into(region_.slice(0, 1024)));
        EXPECT_TRUE(qp_.post_recv(receives));
    }
    /// What each tells the other.
    auto operator()(const std::array<std::uint8_t, verbs::Endpoint::wire_bytes>& endpoint) {
        qp_.connect(verbs::Endpoint::from_bytes(endpoint).value());
        return qp_.endpoint().to_bytes();
    }
    auto operator()(const std::array<std::uint8_t, verbs::RemoteSlice::wire_bytes>&) {
        return region_.remote().to_bytes();
    }
    verbs::Completion received() {
        for (;;)
            if (const auto one = cq_.poll_one()) return *one;
    }
    std::span<const std::uint8_t> memory() const { return memory_; }

private:
    verbs::OpenDevice device_{find_device("ibv:rxe1")};
    verbs::ProtectionDomain pd_{device_};
    std::vector<std::uint8_t> memory_ = std::vector<std::uint8_t>(8192);
    verbs::MemoryRegion region_{pd_, memory_, IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_WRITE};
    verbs::CompletionQueue cq_{device_};
    verbs::QueuePair qp_ =
        verbs::QueuePairBuilder{pd_, IBV_QPT_RC}.completes_on(cq_).access(IBV_ACCESS_REMOTE_WRITE).create();
};

TEST(RdmaSnippets, VerbsConnected) {
    Other exchange;
    // [verbs-make]
    const verbs::OpenDevice device{find_device("ibv:rxe0")};
    const verbs::ProtectionDomain pd{device};
    std::vector<std::uint8_t> memory(8192);
    const verbs::MemoryRegion region{pd, memory, IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_WRITE};
    verbs::CompletionChannel channel{device};
    verbs::CompletionQueue cq{device, {.entries = 256, .channel = channel}};
    verbs::QueuePair qp =
        verbs::QueuePairBuilder{pd, IBV_QPT_RC}.completes_on(cq).depth(64, 64).access(IBV_ACCESS_REMOTE_WRITE).create();
    // [/verbs-make]
    // [verbs-connect]
    qp.post_recv(verbs::RecvRequest{}.into(region.slice(4096, 4096)));  // before the peer may send
    const auto peer = verbs::Endpoint::from_bytes(exchange(qp.endpoint().to_bytes()));
    const auto target = verbs::RemoteSlice::from_bytes(exchange(region.remote().to_bytes()));
    if (!peer || !target) throw std::runtime_error{"the peer speaks something else"};
    qp.connect(*peer);
    // [/verbs-connect]
    // [verbs-post]
    std::ranges::copy(text, memory.begin());
    const verbs::LocalSlice message = region.slice(0, text.size());
    std::array batch{
        verbs::SendRequest::write(target->slice(1024, message.size())).with(message).unsignaled(),
        verbs::SendRequest::send_with_immediate(7).with(message).id(1),
    };
    if (const verbs::PostResult result = qp.post_send(batch); !result)
        fmt::print(stderr, "only {} posted: {}\n", result.posted, std::strerror(result.error));
    // [/verbs-post]
    // [verbs-wait]
    for (std::size_t left = 1; left > 0;) {
        cq.arm();                                                 // 1. ask for one event
        left -= cq.poll(left, [](const verbs::Completion& one) {  // 2. take what is there
            if (!one.ok()) fmt::print(stderr, "{}\n", one.to_string());
        });
        if (left > 0 && !channel.wait_event(1s)) throw std::runtime_error{"nothing completes"};  // 3. wait
    }
    // [/verbs-wait]
    const verbs::Completion received = exchange.received();
    EXPECT_TRUE(received.ok()) << received.to_string();
    EXPECT_EQ(received.immediate(), 7u);
    EXPECT_TRUE(is_text(exchange.memory().first(text.size())));
    EXPECT_TRUE(is_text(exchange.memory().subspan(1024, text.size())));
}

TEST(RdmaSnippets, VerbsSharedReceives) {
    const verbs::OpenDevice device{find_device("ibv:rxe0")};
    const verbs::ProtectionDomain pd{device};
    const verbs::CompletionQueue cq{device};
    std::vector<std::uint8_t> memory(32 * 2048);
    const verbs::MemoryRegion region{pd, memory};
    // [verbs-shared-receives]
    verbs::SharedReceiveQueue receives{pd, 256};
    auto builder = verbs::QueuePairBuilder{pd, IBV_QPT_RC}.completes_on(cq).receives_from(receives);
    std::vector<verbs::QueuePair> clients;
    for (int i = 0; i < 10; ++i) clients.push_back(builder.create());

    std::vector<verbs::RecvRequest> batch;
    for (std::size_t i = 0; i < 32; ++i) batch.push_back(verbs::RecvRequest{i}.into(region.slice(i * 2048, 2048)));
    receives.post(batch);
    receives.set_limit(8);  // an asynchronous event, once, when fewer are left
    // [/verbs-shared-receives]
    EXPECT_EQ(receives.query().srq_limit, 8u);
}

TEST(RdmaSnippets, VerbsDatagrams) {
    const verbs::OpenDevice device{find_device("ibv:rxe0")};
    const verbs::ProtectionDomain pd{device};
    verbs::CompletionQueue cq{device};
    std::vector<std::uint8_t> memory(4096);
    const verbs::MemoryRegion region{pd, memory};
    Context other{"ibv:rxe1", {.transport = Transport::datagram}};
    const verbs::Endpoint peer = other.datagrams().endpoint();
    const verbs::LocalSlice message = region.slice(0, write_text(memory));
    // [verbs-datagrams]
    verbs::QueuePair qp = verbs::QueuePairBuilder{pd, IBV_QPT_UD}.completes_on(cq).create();
    qp.activate();
    const verbs::AddressHandle way{pd, peer};
    qp.post_send(verbs::SendRequest::send().with(message).to(way, peer.queue_pair, peer.qkey));
    // [/verbs-datagrams]
    const RecvList got = other.recv(5s);
    ASSERT_EQ(got.size(), 1u);
    EXPECT_TRUE(is_text(got.front().bytes()));
    while (!cq.poll_one()) continue;  // the address handle must outlive the request
}

}  // namespace
