// SPDX-License-Identifier: Apache-2.0
// Several queues over every link: their order, and receive-side scaling.
#include <atomic>
#include <map>
#include <numeric>
#include <stop_token>
#include <thread>

#include "ip_frame.hpp"
#include "link_ends.hpp"
#include "rounds.hpp"

namespace pktverbs::testing {
namespace {

class LinkQueues : public OnLink {
protected:
    static Options with_rss(std::uint32_t queues) {
        return link_options_with([&](Options& options) {
            options.queues = queues;
            options.max_packet_size = 2048;
            options.rss = Rss{};
        });
    }
};
INSTANTIATE_TEST_SUITE_P(, LinkQueues, ::testing::ValuesIn(links_with()), name_of_link);

TEST_P(LinkQueues, KeepTheirOrderEach) {
    LinkEnds ends{GetParam(), link_options_with([](Options& options) { options.queues = 3; })};
    for (const auto& [from, to] : ends.both_ways()) {
        const Flow all = to->install(FlowRule{});
        const OnOneProcessor one;
        for (std::uint32_t turn = 0; turn < 2; ++turn)
            for (std::uint32_t i = 0; i < 3; ++i) {
                Queue& queue = from->queue(i);
                ASSERT_TRUE(queue.send(filled(queue.acquire(10), 100 * i + 10 * turn)).empty());
            }
        std::vector<Numbers> received(3);
        for (std::uint32_t count = 0; count < 60;) {
            const RecvList list = to->recv(patience);
            ASSERT_FALSE(list.empty());
            for (const std::uint32_t number : numbers(list)) received.at(number / 100).push_back(number % 100);
            count += static_cast<std::uint32_t>(list.size());
        }
        Numbers expected(20);
        std::iota(expected.begin(), expected.end(), 0U);
        EXPECT_EQ(received, std::vector(3, expected));
    }
}

TEST_P(LinkQueues, ShareTheFlowsOfOneRule) {
    constexpr std::uint32_t flows = 64, turns = 16, queues = 4;
    LinkEnds ends{GetParam(), with_rss(queues)};
    Context& to = ends.right();
    const Flow all = to.install(FlowRule{}.ipv4().udp());
    const OnOneProcessor one;
    std::map<std::uint16_t, std::size_t> queue_of;
    std::map<std::uint16_t, std::uint8_t> turn_of;
    for (std::uint8_t turn = 0; turn < turns; ++turn) {
        for (std::uint16_t flow = 0; flow < flows; ++flow) {
            IpFrame made;
            made.src_port = static_cast<std::uint16_t>(1000 + flow);
            made.payload.assign(20, turn);
            send_frame(ends.left(), made.bytes());
        }
        const auto give_up = std::chrono::steady_clock::now() + patience;
        for (std::uint32_t count = 0; count < flows;) {
            ends.left().flush(0ns);
            ASSERT_LT(std::chrono::steady_clock::now(), give_up) << count;
            for (std::size_t i = 0; i < queues; ++i) {
                const RecvList list = to.queue(i).recv(1ms);
                for (const RecvPkt& pkt : list) {
                    const auto port = static_cast<std::uint16_t>(pkt.bytes()[34] << 8 | pkt.bytes()[35]);
                    EXPECT_EQ(queue_of.try_emplace(port, i).first->second, i) << port;
                    EXPECT_EQ(pkt.bytes()[42], turn_of[port]++) << port;
                }
                count += static_cast<std::uint32_t>(list.size());
            }
        }
    }
    EXPECT_EQ(queue_of.size(), flows);
    for (std::size_t i = 0; i < queues; ++i)
        EXPECT_GE(to.queue(i).stats().recv_packets, turns) << "a queue without a flow, of " << flows;
    EXPECT_EQ(to.stats().drops.total(), 0U);
}

TEST_P(LinkQueues, LoseNothingWithAThreadEach) {
    constexpr std::uint32_t queues = 3, window = 64;
    LinkEnds ends{GetParam(), with_rss(queues)};
    const Flow all = ends.right().install(FlowRule{}.ipv4().udp());
    const auto count = rounds(5000U);
    std::atomic<std::uint32_t> received{0};
    std::stop_source done;
    std::vector<std::thread> threads;
    for (std::uint32_t i = 0; i < queues; ++i)
        threads.emplace_back([&, i] {
            while (!done.stop_requested()) {
                RecvList list = ends.right().queue(i).recv(patience, done.get_token());
                const auto got = static_cast<std::uint32_t>(list.size());
                list.release();
                received += got;
            }
        });
    IpFrame made;
    const auto give_up = std::chrono::steady_clock::now() + 5 * patience;
    for (std::uint32_t sent = 0; received < count && std::chrono::steady_clock::now() < give_up;) {
        if (sent < count && sent - received < window) {
            made.src_port = static_cast<std::uint16_t>(sent++);
            send_frame(ends.left(), made.bytes());
        } else if (ends.left().flush(1ms)) {
            std::this_thread::yield();
        }
    }
    done.request_stop();
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(received, count);
    EXPECT_EQ(ends.right().stats().recv_packets, count);
    EXPECT_EQ(ends.right().stats().drops.total(), 0U);
}

}  // namespace
}  // namespace pktverbs::testing
