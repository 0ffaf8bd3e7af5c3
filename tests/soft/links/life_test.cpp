// SPDX-License-Identifier: Apache-2.0
// A link's life: it goes down and comes up, ends close and open, the process forks; and the time of its frames.
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "link_ends.hpp"
#include "rounds.hpp"

namespace pktverbs::testing {
namespace {

class LinkLife : public OnLink {};
INSTANTIATE_TEST_SUITE_P(, LinkLife, ::testing::ValuesIn(links_with()), name_of_link);

TEST_P(LinkLife, ReportsThatItGoesDownAndUp) {
    LinkEnds ends{GetParam()};
    for (int turn = 0; turn < 2; ++turn) {
        pass(ends.left(), ends.right());
        ends.set_link(false);
        EXPECT_TRUE(wait_for(ends.left(), IBV_EVENT_PORT_ERR));
        EXPECT_NE(ends.left().port().state, IBV_PORT_ACTIVE);
        ends.set_link(true);
        EXPECT_TRUE(wait_for(ends.left(), IBV_EVENT_PORT_ACTIVE));
        ends.wait_until_up();
        pass(ends.right(), ends.left());
    }
}

TEST_P(LinkLife, TakesFramesWhileItIsDown) {
    LinkEnds ends{GetParam()};
    ends.set_link(false);
    ASSERT_TRUE(wait_for(ends.left(), IBV_EVENT_PORT_ERR));
    for (std::uint32_t number = 0; number < 200; ++number) send_frame(ends.left(), link_frame(1000 + number, 64));
    EXPECT_TRUE(ends.left().flush(patience));
    EXPECT_FALSE(ends.left().queue(0).in_error());
    ends.set_link(true);
    ASSERT_TRUE(wait_for(ends.left(), IBV_EVENT_PORT_ACTIVE));
    ends.wait_until_up();
    pass(ends.left(), ends.right());
    EXPECT_EQ(ends.left().stats().sent_packets, 220U);
}

TEST_P(LinkLife, KeepsAReceiverThatWaits) {
    LinkEnds ends{GetParam()};
    const Flow all = ends.left().install(FlowRule{});
    std::thread receiver{[&] {
        const RecvList list = ends.left().recv(patience);
        ASSERT_EQ(list.size(), 1U) << to_string(list.outcome());
        EXPECT_EQ(number_of(list.front().bytes()), 7U);
    }};
    ends.set_link(false);
    EXPECT_TRUE(wait_for(ends.left(), IBV_EVENT_PORT_ERR));
    ends.set_link(true);
    EXPECT_TRUE(wait_for(ends.left(), IBV_EVENT_PORT_ACTIVE));
    ends.wait_until_up();
    send_frame(ends.right(), link_frame(7, 64));
    receiver.join();
}

TEST_P(LinkLife, GoesOnWhenAnEndClosesUnderFrames) {
    LinkEnds ends{GetParam()};
    std::atomic<bool> done{false};
    std::thread sender{[&] {
        while (!done) {
            SendList packets = ends.left().acquire(8, patience);
            EXPECT_FALSE(packets.empty());
            if (packets.empty()) return;
            for (SendPkt& pkt : packets) put(pkt, link_frame(5, 200));
            EXPECT_TRUE(ends.left().send(std::move(packets)).empty());
        }
        EXPECT_TRUE(ends.left().flush(patience));
    }};
    for (int turn = 0; turn < 10; ++turn) {
        if (turn > 0) ends.open(1);
        {
            const Flow all = ends.right().install(FlowRule{});
            for (int lists = 0; lists < 3; ++lists) {
                const RecvList list = ends.right().recv(patience);
                EXPECT_FALSE(list.empty()) << turn;
                for (const RecvPkt& pkt : list) EXPECT_EQ(pkt.length(), 200U);
            }
        }
        ends.close(1);  // at last, too: an end that takes nothing holds the sender up
    }
    done = true;
    sender.join();
    EXPECT_FALSE(ends.left().queue(0).in_error());
    EXPECT_EQ(ends.left().queue(0).error(), 0);
}

TEST_P(LinkLife, GoesOnAfterAFork) {
    LinkEnds ends{GetParam()};
    for (int turn = 0; turn < 4; ++turn) {
        pass(ends.left(), ends.right());
        const pid_t child = fork();
        if (child == 0) {
            if (turn % 2 == 0) ::execl("/bin/true", "true", static_cast<char*>(nullptr));
            ::_exit(0);
        }
        pass(ends.right(), ends.left());
        int status = -1;
        ASSERT_EQ(::waitpid(child, &status, 0), child);
        EXPECT_EQ(status, 0);
        pass(ends.left(), ends.right());
    }
    EXPECT_EQ(ends.left().port().state, IBV_PORT_ACTIVE);
    EXPECT_EQ(ends.left().stats().drops.total() + ends.right().stats().drops.total(), 0U);
}

/// One thread sends, one receives, one releases, one installs rules and reads counters.
TEST_P(LinkLife, BearsAllThreadsThatThereMayBe) {
    LinkEnds ends{GetParam()};
    Context& to = ends.right();
    const Flow all = to.install(FlowRule{});
    const auto count = rounds(5000U);
    std::mutex mutex;
    std::condition_variable changed;
    std::vector<RecvList> used;
    std::atomic<std::uint32_t> received{0}, released{0};
    std::atomic<bool> failed{false};

    std::thread receiver{[&] {
        while (received < count && !failed) {
            RecvList list = to.recv(patience);
            std::uint32_t next = received;
            for (const RecvPkt& pkt : list) EXPECT_EQ(number_of(pkt.bytes()), next++);
            if (list.empty()) failed = true;
            received = next;
            const std::lock_guard lock{mutex};
            used.push_back(std::move(list));
            changed.notify_one();
        }
    }};
    std::thread releaser{[&] {
        while (released < count && !failed) {
            std::vector<RecvList> lists;
            {
                std::unique_lock lock{mutex};
                changed.wait(lock, [&] { return !used.empty(); });
                lists.swap(used);
            }
            for (RecvList& list : lists) {
                const auto size = static_cast<std::uint32_t>(list.size());
                list.release();
                released += size;
            }
        }
    }};
    std::thread installer{[&] {
        for (std::uint16_t turn = 0; released < count && !failed;
             turn = static_cast<std::uint16_t>((turn + 1) % 4000)) {
            const Flow flow = to.install(FlowRule{}.vlan(turn));
            EXPECT_FALSE(to.stats().to_string().empty());
            ends.left().next_event();
        }
    }};
    {
        const OnOneProcessor one;
        for (std::uint32_t next = 0; next < count && !failed;)
            if (next - released < 128)
                send_frame(ends.left(), link_frame(next++, 64));
            else if (ends.left().flush(1ms))
                std::this_thread::yield();
        EXPECT_TRUE(ends.left().flush(patience));
    }
    receiver.join();
    releaser.join();
    installer.join();
    EXPECT_FALSE(failed);
    EXPECT_EQ(to.stats().recv_packets, count);
    EXPECT_EQ(to.stats().drops.total(), 0U);
}

std::chrono::nanoseconds real_time() {
    timespec time{};
    ::clock_gettime(CLOCK_REALTIME, &time);
    return std::chrono::seconds{time.tv_sec} + std::chrono::nanoseconds{time.tv_nsec};
}

TEST_P(LinkLife, GivesFramesTheirTime) {
    LinkEnds ends{GetParam(), link_options_with([](Options& options) { options.timestamps = true; })};
    for (const auto& [from, to] : ends.both_ways()) {
        const Flow all = to->install(FlowRule{});
        // A tap's other end is a packet device.
        const bool by_kernel = GetParam().has(Lack::kernel_clock) || to->device().name.starts_with("packet:");
        EXPECT_TRUE(to->limits().timestamps);
        EXPECT_EQ(to->limits().timestamp_clock, by_kernel ? TimestampClock::kernel : TimestampClock::delivery);
        const OnOneProcessor one;
        auto last = real_time();
        for (std::uint32_t number = 0; number < 50; ++number) send_frame(*from, link_frame(number, 64));
        for (std::uint32_t received = 0; received < 50;) {
            const RecvList list = to->recv(patience);
            ASSERT_FALSE(list.empty());
            for (const RecvPkt& pkt : list) {
                EXPECT_GE(pkt.timestamp(), last) << received;
                last = pkt.timestamp();
                ++received;
            }
        }
        EXPECT_LE(last, real_time());
    }
}

}  // namespace
}  // namespace pktverbs::testing
