// SPDX-License-Identifier: Apache-2.0
// An interface that goes down, comes back, or is removed under a context.
#include <gtest/gtest.h>
#include <poll.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <optional>
#include <string>
#include <system_error>

#include <pktverbs/context.hpp>

#include "descriptors.hpp"
#include "network_namespace.hpp"

namespace pktverbs::test {
namespace {

using namespace std::chrono_literals;
using testing::is_readable;

constexpr auto long_enough = 20s;  ///< for the kernel to do its part, on a busy machine
constexpr const char* group = "239.2.1.150";

class LifeOnCable : public ::testing::Test {
protected:
    void SetUp() override {
        if (!NetworkNamespace::unavailable().empty()) GTEST_SKIP() << NetworkNamespace::unavailable();
        cable.emplace();
        sender = cable->left.run([] { return Context{"packet:left0", {.recv_packets = none}}; });
        receiver = cable->right.run([] { return Context{"packet:right0", {.send_packets = none}}; });
    }

    /// UDP to the group, with a number at the end.
    void send(std::uint8_t number) {
        constexpr std::array<std::uint8_t, 42> headers{
            0x01, 0x00, 0x5e, 0x02, 0x01, 0x96, 0x02, 0x00, 0x00, 0x00, 0x00, 0x01, 0x08, 0x00,  // to the group
            0x45, 0x00, 0x00, 0x2e, 0x00, 0x00, 0x40, 0x00, 0x01, 0x11, 0xc7, 0x25,              // IPv4, UDP
            0xc0, 0x00, 0x02, 0x01, 0xef, 0x02, 0x01, 0x96,                                      // 192.0.2.1 to it
            0x1b, 0xec, 0x1b, 0xec, 0x00, 0x1a, 0x00, 0x00};                                     // port 7148
        SendList list = sender->acquire(1);
        ASSERT_EQ(list.size(), 1u);
        list.front().set_length(60);
        std::ranges::copy(headers, list.front().bytes().begin());
        list.front().bytes()[59] = number;
        ASSERT_TRUE(sender->send(std::move(list)).empty());
        ASSERT_TRUE(sender->flush(long_enough));
    }
    void expect_frame(std::uint8_t number) {
        const RecvList list = receiver->recv(long_enough);
        ASSERT_EQ(list.size(), 1u) << to_string(list.outcome());
        EXPECT_EQ(list.front().bytes()[59], number);
    }
    Flow hear() {
        return cable->right.run([&] { return receiver->install(FlowRule{}.dst_ip(group).udp().dst_port(7148)); });
    }
    /// As an event loop does it: only the descriptor is waited for.
    std::optional<verbs::AsyncEvent> wait_for_event() {
        for (int rounds = 0; rounds < 1000; ++rounds) {
            receiver->arm();
            static_cast<void>(receiver->recv(0ns));
            if (const auto event = receiver->next_event()) return event;
            pollfd one{receiver->fd(), POLLIN, 0};
            if (::poll(&one, 1, 20000) != 1) return std::nullopt;
            receiver->drain();
        }
        ADD_FAILURE() << "it spins";
        return std::nullopt;
    }
    void pull_up() {
        cable->right.set_up(true);
        cable->left.wait_for_carrier(true);
        cable->right.wait_for_carrier(true);
    }

    std::optional<VethPair> cable;
    std::optional<Context> sender, receiver;
};

TEST_F(LifeOnCable, GoesOnAfterDownAndUp) {
    const Flow flow = hear();
    send(1);
    expect_frame(1);
    for (std::uint8_t turn = 2; turn < 4; ++turn) {
        cable->right.set_up(false);
        const auto down = wait_for_event();
        ASSERT_TRUE(down);
        EXPECT_EQ(down->type, IBV_EVENT_PORT_ERR);
        EXPECT_EQ(receiver->port().state, IBV_PORT_DOWN);
        EXPECT_EQ(receiver->recv(0ns).outcome(), Outcome::timeout);
        pull_up();
        send(turn);
        expect_frame(turn);
        const auto up = receiver->next_event();
        ASSERT_TRUE(up);
        EXPECT_EQ(up->type, IBV_EVENT_PORT_ACTIVE);
        EXPECT_EQ(receiver->port().state, IBV_PORT_ACTIVE);
    }
    EXPECT_TRUE(flow.installed());
}

TEST_F(LifeOnCable, LosesNothingThatHadCome) {
    const Flow flow = hear();
    for (std::uint8_t i = 0; i < 5; ++i) send(i);
    cable->right.set_up(false);
    std::uint8_t next = 0;
    while (next < 5) {
        const RecvList list = receiver->recv(long_enough);
        ASSERT_FALSE(list.empty()) << to_string(list.outcome());
        for (const RecvPkt& pkt : list) EXPECT_EQ(pkt.bytes()[59], next++);
    }
    EXPECT_EQ(receiver->stats().drops.total(), 0u);
}

TEST_F(LifeOnCable, StaysInItsGroups) {
    const Flow flow = hear();
    const auto groups = [&] { return cable->right.name_space.ip({"maddress", "show", "dev", "right0"}); };
    const auto joined = [&] { return groups().find(group) != std::string::npos; };
    const auto hears = [&] { return groups().find("01:00:5e:02:01:96") != std::string::npos; };
    EXPECT_TRUE(joined());
    EXPECT_TRUE(hears());
    cable->right.set_up(false);
    pull_up();
    EXPECT_TRUE(joined()) << groups();
    EXPECT_TRUE(hears()) << groups();
}

TEST_F(LifeOnCable, EndsCleanlyWithItsInterface) {
    const Flow flow = hear();
    send(1);
    expect_frame(1);
    cable->right.name_space.ip({"link", "delete", "right0"});
    EXPECT_EQ(receiver->recv(long_enough).outcome(), Outcome::device_error);
    EXPECT_EQ(receiver->recv(forever).outcome(), Outcome::device_error);  // at once, now
    EXPECT_EQ(receiver->queue(0).error(), EIO);
    std::optional<verbs::AsyncEvent> last;
    while (const auto event = receiver->next_event()) last = event;
    ASSERT_TRUE(last);
    EXPECT_EQ(last->type, IBV_EVENT_DEVICE_FATAL);
    receiver->drain();
    EXPECT_FALSE(is_readable(receiver->fd())) << "an event loop would spin";
    EXPECT_NO_THROW(receiver->close());
}

TEST_F(LifeOnCable, TellsAnEventLoopThatItsInterfaceIsGone) {
    const Flow flow = hear();
    cable->right.name_space.ip({"link", "delete", "right0"});
    auto event = wait_for_event();
    if (event && event->type == IBV_EVENT_PORT_ERR) event = wait_for_event();
    ASSERT_TRUE(event);
    EXPECT_EQ(event->type, IBV_EVENT_DEVICE_FATAL);
    EXPECT_EQ(receiver->recv(0ns).outcome(), Outcome::device_error);
}

TEST_F(LifeOnCable, RefusesSendsWithoutItsInterface) {
    cable->left.name_space.ip({"link", "delete", "left0"});
    int error = 0;
    for (int i = 0; i < 100000 && error == 0; ++i) {
        SendList list = sender->acquire(1);
        if (list.empty()) continue;
        list.front().set_length(60);
        error = sender->send(std::move(list)).error();
    }
    EXPECT_EQ(error, EIO);
    EXPECT_THROW(sender->queue(0).recover(), std::system_error);
    EXPECT_EQ(sender->send(sender->acquire(1)).error(), EIO) << "it came back to life";
    static_cast<void>(sender->flush(1s));
    EXPECT_EQ(sender->stats().sent_packets, sender->stats().drops.unsent);
    EXPECT_NO_THROW(sender->close());
}

TEST_F(LifeOnCable, KeepsNoDescriptorInAProgramThatIsRun) {
    const std::set<int> before = testing::open_descriptors();
    const Context more = cable->right.run([] { return Context{"packet:right0", {.queues = 2, .timestamps = true}}; });
    const Flow flow = hear();
    EXPECT_GT(testing::open_descriptors().size(), before.size() + 8);
    EXPECT_EQ(testing::kept_by_exec(before), std::set<int>{});
}

}  // namespace
}  // namespace pktverbs::test
