// SPDX-License-Identifier: Apache-2.0
// Waiting over every link: no wake-up is lost, and none is needed.
#include <poll.h>

#include <stop_token>
#include <thread>

#include "link_ends.hpp"
#include "rounds.hpp"

namespace pktverbs::testing {
namespace {

class LinkWaiting : public OnLink {
protected:
    static Options waiting(WaitMode mode) {
        return link_options_with([&](Options& options) { options.wait = mode; });
    }
    static bool is_lone(Context& to, std::uint32_t number) {
        const RecvList list = to.recv(patience);
        return list.size() == 1 && number_of(list.front().bytes()) == number;
    }
    /// Each frame is sent by a thread that has waited for the one before it.
    static void send_to_and_fro(LinkEnds& ends, std::uint32_t turns) {
        const Flow at_left = ends.left().install(FlowRule{}), at_right = ends.right().install(FlowRule{});
        std::thread echo{[&] {
            for (std::uint32_t turn = 0; turn < turns; ++turn) {
                if (!is_lone(ends.right(), turn)) return ADD_FAILURE() << "there: " << turn, void();
                send_frame(ends.right(), link_frame(turn, 64));
            }
        }};
        for (std::uint32_t turn = 0; turn < turns && !HasFailure(); ++turn) {
            send_frame(ends.left(), link_frame(turn, 64));
            EXPECT_TRUE(is_lone(ends.left(), turn)) << "back: " << turn;
        }
        echo.join();
    }
};
INSTANTIATE_TEST_SUITE_P(, LinkWaiting, ::testing::ValuesIn(links_with()), name_of_link);

TEST_P(LinkWaiting, EndsWithEveryLoneFrame) {
    LinkEnds ends{GetParam(), waiting(WaitMode::block)};
    send_to_and_fro(ends, rounds(GetParam().lone_frames));
}

TEST_P(LinkWaiting, EndsWithALoneFrameWhileItPolls) {
    for (const WaitMode mode : {WaitMode::busy_poll, WaitMode::spin_then_block}) {
        LinkEnds ends{GetParam(), waiting(mode)};
        send_to_and_fro(ends, 20);
    }
}

TEST_P(LinkWaiting, EndsByItsDescriptorWithEveryLoneFrame) {
    LinkEnds ends{GetParam()};
    Context& to = ends.right();
    const Flow all = to.install(FlowRule{});
    std::jthread sender{[&] {
        for (std::uint32_t turn = 0; turn < 50; ++turn) {
            while (to.stats().recv_packets < turn && !HasFailure()) std::this_thread::yield();
            send_frame(ends.left(), link_frame(turn, 64));
        }
    }};
    for (std::uint32_t turn = 0; turn < 50; ++turn) {
        ASSERT_TRUE(to.arm());
        RecvList list = to.recv(0ns);
        while (list.empty()) {
            pollfd waited{to.fd(), POLLIN, 0};
            ASSERT_EQ(::poll(&waited, 1, 20'000), 1) << turn;
            to.drain();
            ASSERT_TRUE(to.arm());
            list = to.recv(0ns);
        }
        ASSERT_EQ(list.size(), 1U);
        ASSERT_EQ(number_of(list.front().bytes()), turn);
    }
}

TEST_P(LinkWaiting, TimesOutWithoutAFrame) {
    LinkEnds ends{GetParam()};
    for (Context* end : {&ends.left(), &ends.right()}) {
        const Flow all = end->install(FlowRule{});
        const auto start = std::chrono::steady_clock::now();
        EXPECT_EQ(end->recv(20ms).outcome(), Outcome::timeout);
        EXPECT_GE(std::chrono::steady_clock::now() - start, 20ms);
    }
    pass(ends.left(), ends.right());
}

TEST_P(LinkWaiting, EndsOnRequest) {
    LinkEnds ends{GetParam()};
    for (Context* end : {&ends.left(), &ends.right()}) {
        const Flow all = end->install(FlowRule{});
        std::stop_source source;
        std::thread stopping{[&] { source.request_stop(); }};
        EXPECT_EQ(end->recv(patience, source.get_token()).outcome(), Outcome::stopped);
        stopping.join();
    }
    pass(ends.left(), ends.right());
}

}  // namespace
}  // namespace pktverbs::testing
