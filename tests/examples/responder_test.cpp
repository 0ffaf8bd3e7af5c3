// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <cstdint>
#include <numeric>
#include <optional>
#include <vector>

#include <pktverbs/soft/wire.hpp>
#include "common/responder.hpp"

using namespace example;

namespace {

constexpr MacAddress asker_mac{{0x02, 0, 0, 0, 0, 0x0a}};
constexpr Ipv4Address asker{{192, 0, 2, 1}};
constexpr Ipv4Address own{{192, 0, 2, 99}};

/// The user's hand is a Responder, the world's hand a tap.
class ResponderTest : public ::testing::Test {
protected:
    ResponderTest() { tap.receive(); }

    std::vector<std::uint8_t> arp_request(Ipv4Address target, MacAddress dst) const {
        std::vector<std::uint8_t> frame(60);
        const net::Arp request{
            .operation = net::Arp::request, .sender_mac = asker_mac, .sender_ip = asker, .target_ip = target};
        net::FrameTemplate{net::Ethernet{.dst = dst, .src = asker_mac}, request}.write(frame, 0);
        return frame;
    }

    std::vector<std::uint8_t> echo_request(std::size_t data_bytes, Ipv4Address src = asker,
                                           bool is_reply = false) const {
        const net::FrameTemplate headers{net::Ethernet{.dst = ctx.limits().mac, .src = asker_mac},
                                         net::Ipv4{.src = src, .dst = own, .ttl = 17},
                                         net::Echo{.is_reply = is_reply, .identifier = 0x1234}};
        std::vector<std::uint8_t> frame(headers.frame_bytes(data_bytes));
        std::iota(frame.end() - static_cast<std::ptrdiff_t>(data_bytes), frame.end(), std::uint8_t{1});
        headers.write(frame, data_bytes, {.sequence = 7});
        return frame;
    }

    /// The one answer to a frame that reaches the responder; nullopt if there is none.
    std::optional<std::vector<std::uint8_t>> answer_to(const std::vector<std::uint8_t>& frame) {
        tap.send(frame);
        responder.serve(std::chrono::seconds{10});
        EXPECT_TRUE(ctx.flush(std::chrono::seconds{10}));
        const auto answers = tap.receive();
        EXPECT_LE(answers.size(), 1U);
        if (answers.empty()) return {};
        return answers.front();
    }

    pktverbs::soft::WireTap tap{"responder"};
    pktverbs::Context ctx{"wire:responder", {.send_packets = 4, .recv_packets = 8}};
    Responder responder{ctx, own};
};

TEST_F(ResponderTest, AnswersArp) {
    for (const auto& dst : {MacAddress::broadcast(), ctx.limits().mac}) {
        const auto answer = answer_to(arp_request(own, dst));
        ASSERT_TRUE(answer);
        const net::Headers found{*answer};
        EXPECT_EQ(found.ethernet().dst(), asker_mac);
        EXPECT_EQ(found.ethernet().src(), ctx.limits().mac);
        const auto arp = found.arp();
        ASSERT_TRUE(arp);
        EXPECT_EQ(arp.operation(), net::Arp::reply);
        EXPECT_EQ(arp.sender_mac(), ctx.limits().mac);
        EXPECT_EQ(arp.sender_ip(), own);
        EXPECT_EQ(arp.target_mac(), asker_mac);
        EXPECT_EQ(arp.target_ip(), asker);
    }
    EXPECT_EQ(responder.counts().arp, 2U);
}

TEST_F(ResponderTest, LeavesArpForOthersAlone) {
    EXPECT_FALSE(answer_to(arp_request(asker, MacAddress::broadcast())));
    EXPECT_EQ(responder.counts().ignored, 1U);
}

TEST_F(ResponderTest, AnswersEchoOfAnySize) {
    for (const std::size_t data_bytes : {0U, 1U, 2U, 55U, 56U, 57U, 1471U, 1472U, 8971U, 8972U}) {
        const auto request = echo_request(data_bytes);
        const auto answer = answer_to(request);
        ASSERT_TRUE(answer) << data_bytes;
        EXPECT_EQ(answer->size(), request.size());
        const net::Headers found{*answer};
        EXPECT_EQ(found.ethernet().dst(), asker_mac);
        EXPECT_EQ(found.ethernet().src(), ctx.limits().mac);
        ASSERT_TRUE(found.ipv4());
        EXPECT_TRUE(found.ipv4().checksum_is_right());
        EXPECT_EQ(found.ipv4().src(), own);
        EXPECT_EQ(found.ipv4().dst(), asker);
        EXPECT_EQ(found.ipv4().ttl(), 64);
        const auto echo = found.icmp();
        ASSERT_TRUE(echo);
        EXPECT_TRUE(echo.checksum_is_right());
        EXPECT_TRUE(echo.is_echo_reply());
        EXPECT_EQ(echo.identifier(), 0x1234);
        EXPECT_EQ(echo.sequence(), 7);
        EXPECT_TRUE(std::ranges::equal(echo.payload(), net::ConstBytes{request}.subspan(42)));
    }
}

TEST_F(ResponderTest, AnswersAPaddedRequestWithoutThePadding) {
    auto request = echo_request(1);
    const auto bytes = request.size();
    request.resize(60, 0xee);
    const auto answer = answer_to(request);
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->size(), bytes);
}

TEST_F(ResponderTest, IgnoresAWrongEchoChecksum) {
    auto request = echo_request(9);
    request.back() ^= 1;
    EXPECT_FALSE(answer_to(request));
    EXPECT_EQ(responder.counts().ignored, 1U);
}

TEST_F(ResponderTest, IgnoresAWrongHeaderChecksum) {
    auto request = echo_request(9);
    request[net::EthernetView<>::size + 8] ^= 1;  // ttl
    EXPECT_FALSE(answer_to(request));
}

TEST_F(ResponderTest, IgnoresAFragment) {
    auto request = echo_request(8);
    const net::Ipv4View ip{net::Bytes{request}.subspan(net::EthernetView<>::size)};
    net::store<std::uint16_t>(&ip.header()[6], 0x2000);
    ip.fill_checksum();
    EXPECT_FALSE(answer_to(request));
}

TEST_F(ResponderTest, IgnoresALengthBeyondTheFrame) {
    auto request = echo_request(8);
    const net::Ipv4View ip{net::Bytes{request}.subspan(net::EthernetView<>::size)};
    net::store<std::uint16_t>(&ip.header()[2], 37);
    ip.fill_checksum();
    EXPECT_FALSE(answer_to(request));
}

TEST_F(ResponderTest, IgnoresReplies) { EXPECT_FALSE(answer_to(echo_request(8, asker, true))); }

TEST_F(ResponderTest, IgnoresAMulticastSource) {
    EXPECT_FALSE(answer_to(echo_request(8, Ipv4Address{{239, 1, 2, 3}})));
}

TEST_F(ResponderTest, EndsItsWaitWithTheStopToken) {
    std::stop_source stop;
    stop.request_stop();
    responder.serve(pktverbs::no_timeout, stop.get_token());
    EXPECT_EQ(responder.counts().ignored, 0U);
}

}  // namespace
