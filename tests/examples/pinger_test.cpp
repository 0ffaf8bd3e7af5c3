// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <thread>
#include <vector>

#include <pktverbs/soft/wire.hpp>
#include "common/pinger.hpp"

using namespace example;

namespace {

constexpr MacAddress peer_mac{{0x02, 0, 0, 0, 0, 0x0b}};
constexpr Ipv4Address source{{192, 0, 2, 1}};
constexpr Ipv4Address peer{{192, 0, 2, 2}};

using Frame = std::vector<std::uint8_t>;
using Frames = std::vector<Frame>;

/// The correct answer to a request.
Frame reply_to(const Frame& request) {
    Frame frame = request;
    const net::Headers asked{request};
    const net::FrameTemplate headers{net::Ethernet{.dst = asked.ethernet().src(), .src = peer_mac},
                                     net::Ipv4{.src = peer, .dst = source},
                                     net::Echo{.is_reply = true, .identifier = asked.icmp().identifier()}};
    headers.write(frame, asked.payload().size(), {.sequence = asked.icmp().sequence()});
    return frame;
}

/// The same with a byte changed and the echo checksum corrected.
Frame changed(Frame reply, std::size_t at) {
    reply[at] ^= 1;
    net::Headers{reply}.fill_checksums();
    return reply;
}

/// Pings a peer that answers each request with the frames that `answers` makes from it.
Pinger::Counts ping(Pinger::Job job, const std::function<Frames(const Frame&)>& answers) {
    pktverbs::soft::WireTap tap{"pinger"};
    pktverbs::Context ctx{"wire:pinger", {.send_packets = 4, .recv_packets = 64}};
    const auto flow = ctx.install(pktverbs::FlowRule{}.own_mac().dst_ip(source).protocol(net::ip_protocol::icmp));
    const std::jthread world{[&](const std::stop_token& stop) {
        while (!stop.stop_requested()) {
            for (const auto& request : tap.receive())
                for (const auto& answer : answers(request)) tap.send(answer);
            std::this_thread::yield();
        }
    }};
    job.source = source;
    job.peer = peer;
    job.peer_mac = peer_mac;
    job.interval = std::chrono::milliseconds{1};
    Pinger pinger{ctx, job};
    pinger.run({});
    return pinger.counts();
}

Pinger::Job patient(std::uint64_t count) {
    Pinger::Job job;
    job.count = count;
    job.timeout = std::chrono::seconds{60};
    return job;
}

TEST(Pinger, CountsReplies) {
    const auto counts = ping(patient(3), [](const Frame& request) { return Frames{reply_to(request)}; });
    EXPECT_EQ(counts.sent, 3U);
    EXPECT_EQ(counts.received, 3U);
    EXPECT_EQ(counts.duplicates, 0U);
    EXPECT_EQ(counts.bad, 0U);
}

TEST(Pinger, SendsWhatItSays) {
    auto job = patient(1);
    job.payload_bytes = 33;
    Frame seen;
    ping(job, [&](const Frame& request) {
        seen = request;
        return Frames{reply_to(request)};
    });
    EXPECT_EQ(seen.size(), 42U + 33U);
    const net::Headers found{seen};
    EXPECT_EQ(found.ethernet().dst(), peer_mac);
    const auto ip = found.ipv4();
    ASSERT_TRUE(ip);
    EXPECT_TRUE(ip.checksum_is_right());
    EXPECT_EQ(ip.src(), source);
    EXPECT_EQ(ip.dst(), peer);
    EXPECT_EQ(ip.ttl(), 64);
    EXPECT_TRUE(ip.dont_fragment());
    const auto echo = found.icmp();
    ASSERT_TRUE(echo);
    EXPECT_TRUE(echo.checksum_is_right());
    EXPECT_TRUE(echo.is_echo_request());
    EXPECT_EQ(echo.sequence(), 1);
    EXPECT_EQ(echo.payload().size(), 33U);
}

TEST(Pinger, CountsDuplicatesApart) {
    // The second request's only reply follows all those to the first.
    const auto counts = ping(patient(2), [](const Frame& request) {
        const bool first = net::Headers{request}.icmp().sequence() == 1;
        return Frames(first ? 3 : 1, reply_to(request));
    });
    EXPECT_EQ(counts.received, 2U);
    EXPECT_EQ(counts.duplicates, 2U);
}

TEST(Pinger, DistinguishesBadRepliesFromGoodOnes) {
    const auto counts = ping(patient(1), [](const Frame& request) {
        const Frame good = reply_to(request);
        Frame wrong_checksum = good;
        wrong_checksum.back() ^= 1;
        Frame never_sent = changed(good, 40);
        return Frames{wrong_checksum, changed(good, good.size() - 1), never_sent, good};
    });
    EXPECT_EQ(counts.received, 1U);
    EXPECT_EQ(counts.bad, 3U);
}

TEST(Pinger, LeavesOthersRepliesAlone) {
    const auto counts = ping(patient(1), [](const Frame& request) {
        const Frame good = reply_to(request);
        const Frame other_identifier = changed(good, 38);
        return Frames{request, other_identifier, good};
    });
    EXPECT_EQ(counts.received, 1U);
    EXPECT_EQ(counts.bad, 0U);
    EXPECT_EQ(counts.duplicates, 0U);
}

TEST(Pinger, GivesUpWithoutReplies) {
    auto job = patient(3);
    job.timeout = std::chrono::milliseconds{5};
    const auto counts = ping(job, [](const Frame&) { return Frames{}; });
    EXPECT_EQ(counts.sent, 3U);
    EXPECT_EQ(counts.received, 0U);
}

TEST(Pinger, EndsWithTheStopToken) {
    pktverbs::Context ctx{"wire:pinger_stop", {.send_packets = 4, .recv_packets = 4}};
    std::stop_source stop;
    stop.request_stop();
    Pinger pinger{ctx, patient(3)};
    pinger.run(stop.get_token());
    EXPECT_LE(pinger.counts().sent, 1U);
}

}  // namespace
