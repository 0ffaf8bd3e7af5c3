// SPDX-License-Identifier: Apache-2.0
// Frames over every link: of every length, in order, in lists and in chunks.
#include <algorithm>
#include <atomic>
#include <cstring>
#include <iterator>
#include <thread>

#include "link_ends.hpp"
#include "net/frame_sizes.hpp"
#include "rounds.hpp"

namespace pktverbs::testing {
namespace {

class LinkFrames : public OnLink {};
INSTANTIATE_TEST_SUITE_P(, LinkFrames, ::testing::ValuesIn(links_with()), name_of_link);

TEST_P(LinkFrames, ArriveWholeAtEveryLength) {
    LinkEnds ends{GetParam()};
    const std::size_t most = ends.max_frame() - ethernet_bytes;
    const auto count = static_cast<std::uint32_t>(rounds(most + 1));
    for (const auto& [from, to] : ends.both_ways())
        pass(*from, *to, count,
             [&](std::uint32_t number) { return link_frame(number, ethernet_bytes + number * most / (count - 1)); });
}

TEST_P(LinkFrames, ComeFromTheOtherEndOnly) {
    LinkEnds ends{GetParam()};
    for (int turn = 0; turn < 10; ++turn) {
        pass(ends.left(), ends.right());
        pass(ends.right(), ends.left());
    }
    for (Context* end : {&ends.left(), &ends.right()}) {
        EXPECT_EQ(end->stats().recv_packets, 200U);
        EXPECT_EQ(end->stats().sent_packets, 200U);
        EXPECT_EQ(end->stats().drops.total(), 0U);
    }
}

TEST_P(LinkFrames, GoInListsOfEverySize) {
    LinkEnds ends{GetParam()};
    const Flow all = ends.right().install(FlowRule{});
    const OnOneProcessor one;
    std::uint32_t next = 0;
    for (std::uint32_t size = 1; size <= link_options.send_packets; ++size) {
        SendList packets = ends.left().acquire(size, patience);
        ASSERT_EQ(packets.size(), size);
        for (std::uint32_t i = 0; SendPkt & pkt : packets) put(pkt, link_frame(next + i++, 100));
        ASSERT_TRUE(ends.left().send(std::move(packets)).empty());
        for (std::uint32_t received = 0; received < size;) {
            ends.left().flush(0ns);
            const RecvList list = ends.right().recv(patience);
            ASSERT_FALSE(list.empty());
            for (const RecvPkt& pkt : list) ASSERT_EQ(number_of(pkt.bytes()), next + received++);
        }
        next += size;
    }
}

TEST_P(LinkFrames, AreGatheredAndScattered) {
    LinkEnds ends{GetParam(), link_options_with([](Options& options) {
                      options.send_layout = Layout{}.chunk(14).chunk(1).chunk(500).chunk(8700);
                      options.recv_layout = Layout{}.chunk(42).chunk(100).chunk(9074);
                  })};
    const std::array lengths{std::size_t{14},  std::size_t{15},   std::size_t{16},  std::size_t{42},
                             std::size_t{43},  std::size_t{142},  std::size_t{143}, std::size_t{515},
                             std::size_t{516}, std::size_t{1514}, ends.max_frame()};
    for (const auto& [from, to] : ends.both_ways())
        pass(*from, *to, 110,
             [&](std::uint32_t number) { return link_frame(number, lengths[number % lengths.size()]); });
}

TEST_P(LinkFrames, MayCarryATagBesidesAFullMtu) {
    LinkEnds ends{GetParam()};
    for (const auto& [from, to] : ends.both_ways())
        pass(*from, *to, 10, [&](std::uint32_t number) {
            Bytes made = link_frame(number, ends.max_frame() + 4);
            const std::uint8_t tag[] = {0x81, 0x00, 0x20, 0x05};
            std::copy(std::begin(tag), std::end(tag), made.begin() + 12);
            return made;
        });
}

TEST_P(LinkFrames, FailWhenTheyAreLongerThanTheMtu) {
    LinkEnds ends{GetParam(), link_options_with([](Options& options) { options.max_packet_size = 10'000; })};
    for (const auto& [from, to] : ends.both_ways()) {
        send_frame(*from, link_frame(0, ends.max_frame() + 9));
        from->flush(patience);
        EXPECT_EQ(from->stats().send_errors[IBV_WC_LOC_LEN_ERR], 1U);
        from->queue(0).recover();
        pass(*from, *to);
    }
}

TEST_P(LinkFrames, FailWhenTheyAreLongerThanTheirPackets) {
    LinkEnds ends{GetParam(), link_options, link_options_with([](Options& options) { options.max_packet_size = 256; })};
    Context& to = ends.right();
    {
        const Flow all = to.install(FlowRule{});
        send_frame(ends.left(), link_frame(1, 256));
        send_frame(ends.left(), link_frame(2, 257));
        std::vector<ibv_wc_status> statuses;
        while (statuses.size() < 2) {
            const RecvList list = to.recv(patience);
            ASSERT_FALSE(list.empty());
            for (const RecvPkt& pkt : list) statuses.push_back(pkt.status());
        }
        EXPECT_EQ(statuses, (std::vector{IBV_WC_SUCCESS, IBV_WC_LOC_LEN_ERR}));
        EXPECT_TRUE(to.queue(0).in_error());
        to.queue(0).recover();
    }
    pass(ends.left(), to);
    EXPECT_EQ(to.stats().drops.total(), 0U);
}

/// Numbers from one end to the other, by a thread at each.
class Stream {
public:
    Stream(Context& from, Context& to, std::uint32_t count, std::size_t bytes)
        : window_{to.limits().recv_packets / 2}, count_{count}, bytes_{bytes} {
        receiver_ = std::thread{[this, &to] { receive(to); }};
        sender_ = std::thread{[this, &from] { send(from); }};
    }
    ~Stream() {
        sender_.join();
        receiver_.join();
    }
    Stream(const Stream&) = delete;
    Stream& operator=(const Stream&) = delete;

private:
    void send(Context& from) {
        const OnOneProcessor one;
        const Bytes made = link_frame(0, bytes_);
        for (std::uint32_t next = 0; next < count_ && !failed_;) {
            const std::uint32_t room = window_ - (next - received_);
            SendList packets = from.acquire(std::min(count_ - next, room));
            if (packets.empty() && from.flush(1ms)) std::this_thread::yield();
            for (SendPkt& pkt : packets) {
                put(pkt, made);
                std::memcpy(pkt.buffer().data() + 14, &next, sizeof next);
                ++next;
            }
            EXPECT_TRUE(from.send(std::move(packets)).empty());
        }
        EXPECT_TRUE(from.flush(patience));
    }
    void receive(Context& to) {
        while (received_ < count_) {
            RecvList list = to.recv(patience);
            bool wrong = list.empty();
            std::uint32_t next = received_;
            for (const RecvPkt& pkt : list)
                wrong |= number_of(pkt.bytes()) != next++ || pkt.length() != bytes_ ||
                         pkt.bytes().back() != static_cast<std::uint8_t>((2 * bytes_ - 1) % 251);
            list.release();
            received_ = next;
            if (!wrong) continue;
            failed_ = true;
            ADD_FAILURE() << "frame " << received_ << " did not come";
            return;
        }
    }

    const std::uint32_t window_;
    const std::uint32_t count_;
    const std::size_t bytes_;
    std::atomic<std::uint32_t> received_{0};
    std::atomic<bool> failed_{false};
    std::thread receiver_, sender_;
};

TEST_P(LinkFrames, KeepTheirOrderBothWaysAtOnce) {
    LinkEnds ends{GetParam()};
    const Flow at_left = ends.left().install(FlowRule{}), at_right = ends.right().install(FlowRule{});
    const auto count = rounds(20'000U);
    { const Stream there{ends.left(), ends.right(), count, 200}, back{ends.right(), ends.left(), count, 1500}; }
    for (Context* end : {&ends.left(), &ends.right()}) {
        const Stats stats = end->stats();
        EXPECT_EQ(stats.recv_packets, count);
        EXPECT_EQ(stats.recv_bytes, std::uint64_t{count} * (end == &ends.left() ? 1500 : 200));
        EXPECT_EQ(stats.sent_packets, count);
        EXPECT_EQ(stats.drops.total() + stats.drops.unsent, 0U);
    }
}

TEST_P(LinkFrames, AddUpAfterAHundredThousand) {
    LinkEnds ends{GetParam(), link_options_with([](Options& options) {
                      options.send_packets = 256;
                      options.recv_packets = 1024;
                      options.max_packet_size = 256;
                  })};
    const Flow all = ends.right().install(FlowRule{}.count());
    const auto count = rounds(100'000U);
    { const Stream there{ends.left(), ends.right(), count, 64}; }
    EXPECT_EQ(ends.left().stats().sent_packets, count);
    EXPECT_EQ(ends.left().stats().drops.unsent, 0U);
    EXPECT_EQ(ends.right().stats().recv_packets, count);
    EXPECT_EQ(ends.right().stats().recv_bytes, std::uint64_t{count} * 64);
    EXPECT_EQ(ends.right().stats().drops.total(), 0U);
    EXPECT_EQ(ends.right().stats().posted_now, 1024U);
    EXPECT_EQ(all.count()->packets, count);
}

class LinkOfMany : public OnLink {};
INSTANTIATE_TEST_SUITE_P(, LinkOfMany, ::testing::ValuesIn(links_with({Lack::third_end})), name_of_link);

TEST_P(LinkOfMany, ReachesEveryOtherEnd) {
    LinkEnds ends{GetParam()};
    Context third = ends.open_another(1);
    const Flow at_right = ends.right().install(FlowRule{}), at_third = third.install(FlowRule{});
    for (std::uint32_t number = 0; number < 20; ++number) send_frame(ends.left(), link_frame(number, 100));
    for (Context* end : {&ends.right(), &third})
        for (std::uint32_t next = 0; next < 20;) {
            const RecvList list = end->recv(patience);
            ASSERT_FALSE(list.empty());
            for (const RecvPkt& pkt : list) EXPECT_EQ(number_of(pkt.bytes()), next++);
        }
}

}  // namespace
}  // namespace pktverbs::testing
