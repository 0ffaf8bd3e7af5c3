// SPDX-License-Identifier: Apache-2.0
// Frames that find no room: the sender waits for it where the link has back pressure, or else they are counted.
#include <cstring>
#include <thread>

#include "link_ends.hpp"
#include "rounds.hpp"

namespace pktverbs::testing {
namespace {

/// Sends frames first, first + 1, ... without a look at the receiver; false when there was no packet in time.
bool pour(Context& from, std::uint32_t first, std::uint32_t count, std::size_t bytes,
          std::chrono::nanoseconds timeout) {
    const Bytes made = link_frame(0, bytes);
    for (std::uint32_t sent = 0; sent < count;) {
        SendList packets = from.acquire(std::min(count - sent, 16U), timeout);
        if (packets.empty()) return false;
        for (SendPkt& pkt : packets) {
            put(pkt, made);
            const std::uint32_t number = first + sent++;
            std::memcpy(pkt.buffer().data() + 14, &number, sizeof number);
        }
        EXPECT_TRUE(from.send(std::move(packets)).empty());
        std::this_thread::yield();  // to the kernel's thread that receives for a veth pair on this processor
    }
    return true;
}

class LinkLoss : public OnLink {
protected:
    /// Receives in order until all frames have come or are counted as lost.
    static void settle(Context& to, std::uint32_t sent, std::uint32_t& next) {
        const auto give_up = std::chrono::steady_clock::now() + patience;
        while (to.stats().recv_packets + to.stats().drops.total() < sent) {
            const RecvList list = to.recv(1ms);
            for (const RecvPkt& pkt : list) {
                ASSERT_GE(number_of(pkt.bytes()), next);
                next = number_of(pkt.bytes()) + 1;
            }
            if (!list.empty()) continue;
            ASSERT_LT(std::chrono::steady_clock::now(), give_up)
                << to.stats().recv_packets << " received, " << to.stats().drops.total() << " dropped, of " << sent;
        }
        EXPECT_EQ(to.stats().recv_packets + to.stats().drops.total(), sent);
    }
};
INSTANTIATE_TEST_SUITE_P(, LinkLoss, ::testing::ValuesIn(links_with()), name_of_link);

/// A receiver that holds packets back, and takes what comes now and then.
TEST_P(LinkLoss, IsCountedToTheFrame) {
    LinkEnds ends{GetParam(), link_options, link_options_with([](Options& options) { options.recv_packets = 32; })};
    Context& to = ends.right();
    const Flow all = to.install(FlowRule{});
    const auto count = rounds(10'000U);
    std::thread sender{[&] {
        const OnOneProcessor one;
        EXPECT_TRUE(pour(ends.left(), 0, count, 1000, patience));
        EXPECT_TRUE(ends.left().flush(patience));
    }};
    std::uint32_t next = 0;
    std::uint64_t received = 0;
    while (next < count / 2 && to.stats().recv_packets + to.stats().drops.total() < count) {
        RecvList held;
        for (int i = 0; i < 4; ++i) {
            held.append(to.recv(1ms));
            std::this_thread::yield();
        }
        for (const RecvPkt& pkt : held) {
            EXPECT_GE(number_of(pkt.bytes()), next);
            next = number_of(pkt.bytes()) + 1;
        }
        received += held.size();
    }
    EXPECT_EQ(received, to.stats().recv_packets);
    settle(to, count, next);
    sender.join();
    EXPECT_EQ(ends.left().stats().sent_packets, count);
    EXPECT_EQ(ends.left().stats().drops.unsent, 0U);
    pass(ends.left(), to);
}

class LinkBackPressure : public OnLink {};
INSTANTIATE_TEST_SUITE_P(, LinkBackPressure, ::testing::ValuesIn(links_with({Lack::back_pressure})), name_of_link);

TEST_P(LinkBackPressure, HoldsTheSenderAndLosesNothing) {
    LinkEnds ends{GetParam(), link_options_with([](Options& options) { options.recv_packets = 1024; })};
    for (const auto& [from, to] : ends.both_ways()) {
        const Flow all = to->install(FlowRule{});
        std::uint32_t sent = 0;
        while (pour(*from, sent, 1, 1000, 0ns) && sent < 100'000) ++sent;
        EXPECT_LT(sent, 100'000U) << "nothing holds it";
        EXPECT_FALSE(from->flush(0ns));
        std::thread sender{[from = from, sent] {
            EXPECT_TRUE(pour(*from, sent, 2000, 1000, patience));
            EXPECT_TRUE(from->flush(patience));
        }};
        for (std::uint32_t next = 0; next < sent + 2000;) {
            const RecvList list = to->recv(patience);
            EXPECT_FALSE(list.empty());
            if (list.empty()) break;
            for (const RecvPkt& pkt : list) EXPECT_EQ(number_of(pkt.bytes()), next++);
        }
        sender.join();
        EXPECT_EQ(to->stats().drops.total(), 0U);
        EXPECT_EQ(from->stats().drops.unsent, 0U);
    }
}

class LinkWithoutBackPressure : public LinkLoss {};
INSTANTIATE_TEST_SUITE_P(, LinkWithoutBackPressure, ::testing::ValuesIn(links_without(Lack::back_pressure)),
                         name_of_link);

TEST_P(LinkWithoutBackPressure, LosesCountsAndGoesOn) {
    LinkEnds ends{GetParam()};
    for (const auto& [from, to] : ends.both_ways()) {
        if (from == &ends.right() && !GetParam().has(Lack::exact_loss)) continue;
        const Flow all = to->install(FlowRule{});
        const OnOneProcessor one;
        constexpr std::uint32_t count = 6000;  // more than any link has room for
        ASSERT_TRUE(pour(*from, 0, count, 9000, patience));
        ASSERT_TRUE(from->flush(patience));
        std::uint32_t next = 0;
        settle(*to, count, next);
        EXPECT_GT(to->stats().drops.lost(), 0U) << "a test of nothing";
        EXPECT_EQ(from->stats().drops.unsent, 0U);
        pass(*from, *to);
    }
}

}  // namespace
}  // namespace pktverbs::testing
