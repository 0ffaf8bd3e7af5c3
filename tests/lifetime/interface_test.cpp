// SPDX-License-Identifier: Apache-2.0
// An interface that goes down, comes back, or is removed under a context.
#include <gtest/gtest.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <optional>
#include <set>
#include <stop_token>
#include <string>
#include <system_error>
#include <thread>

#include <pktverbs/context.hpp>
#include <pktverbs/counters/counters.hpp>
#include <pktverbs/soft/device.hpp>
#include <pktverbs/verbs/async_event.hpp>
#include <pktverbs/verbs/handle.hpp>

#include "descriptors.hpp"
#include "network_namespace.hpp"

namespace pktverbs::test {
namespace {

using namespace std::chrono_literals;
using testing::is_readable;

constexpr auto long_enough = 20s;  ///< for the kernel to act, on a busy machine
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
    /// With an EtherType that no flow takes, and a number.
    void send_to(const MacAddress& mac, std::uint8_t number, std::size_t bytes = 60) {
        SendList list = sender->acquire(1, long_enough);
        ASSERT_EQ(list.size(), 1u);
        list.front().set_length(bytes);
        std::ranges::fill(list.front().bytes(), std::uint8_t{0});
        std::ranges::copy(mac.bytes(), list.front().bytes().begin());
        list.front().bytes()[12] = 0x88;
        list.front().bytes()[13] = 0xb5;
        list.front().bytes()[59] = number;
        ASSERT_TRUE(sender->send(std::move(list)).empty());
        ASSERT_TRUE(sender->flush(long_enough));
    }
    void expect_frame(std::uint8_t number, std::size_t bytes = 60) {
        const RecvList list = receiver->recv(long_enough);
        ASSERT_EQ(list.size(), 1u) << to_string(list.outcome());
        EXPECT_EQ(list.front().length(), bytes);
        EXPECT_EQ(list.front().bytes()[59], number);
    }
    static std::string text_of(const std::optional<verbs::AsyncEvent>& event) {
        return event ? event->to_string() : "nothing";
    }
    Flow hear() {
        return cable->right.run([&] { return receiver->install(FlowRule{}.dst_ip(group).udp().dst_port(7148)); });
    }
    /// Like an event loop: waits for the descriptor only.
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
        EXPECT_FALSE(receiver->next_event());
        EXPECT_EQ(receiver->port().state, IBV_PORT_ACTIVE);
    }
    EXPECT_TRUE(flow.installed());
}

/// A thread that waits for events only.
TEST_F(LifeOnCable, ReportsToAWaiterForEventsAlone) {
    cable->right.set_up(false);
    EXPECT_EQ(text_of(receiver->wait_event(long_enough)), "port 1: port error");
    pull_up();
    EXPECT_EQ(text_of(receiver->wait_event(long_enough)), "port 1: port active");
    cable->right.name_space.ip({"link", "set", "right0", "address", "02:00:00:00:00:77"});
    EXPECT_EQ(text_of(receiver->wait_event(long_enough)), "port 1: GID table change");
    cable->right.name_space.ip({"address", "add", "192.0.2.1/24", "dev", "right0"});
    EXPECT_EQ(text_of(receiver->wait_event(long_enough)), "port 1: GID table change");
    cable->right.name_space.ip({"link", "set", "right0", "mtu", "1400"});
    EXPECT_EQ(text_of(receiver->wait_event(long_enough)), "port 1: client reregistration");
    EXPECT_FALSE(receiver->wait_event(0ns));
    cable->right.name_space.ip({"link", "delete", "right0"});
    EXPECT_EQ(text_of(receiver->wait_event(long_enough)), "port 1: port error");
    EXPECT_EQ(text_of(receiver->wait_event(long_enough)), "device: local catastrophic error");
}

/// The same by verbs, like a program that doesn't know this library.
TEST_F(LifeOnCable, ReportsToABlockedGetAsyncEvent) {
    const Device device = receiver->device();
    receiver.reset();
    const verbs::ContextHandle context{device.provider->open_device(device.handle.get()), {device.provider}};
    ASSERT_TRUE(context);
    const auto next = [&] {
        ibv_async_event event{};
        EXPECT_EQ(device.provider->get_async_event(context.get(), &event), 0);
        device.provider->ack_async_event(&event);
        return event.event_type;
    };
    cable->right.set_up(false);
    EXPECT_EQ(next(), IBV_EVENT_PORT_ERR);
    std::thread waiter{[&] { EXPECT_EQ(next(), IBV_EVENT_PORT_ACTIVE); }};
    pull_up();
    waiter.join();
}

/// Whichever thread takes the events from the device.
TEST_F(LifeOnCable, ReportsToAWaiterBesideAReceiver) {
    std::stop_source stop;
    std::thread other{[&] { EXPECT_EQ(receiver->recv(no_timeout, stop.get_token()).outcome(), Outcome::stopped); }};
    for (int turn = 0; turn < 3; ++turn) {
        cable->right.set_up(false);
        EXPECT_EQ(text_of(receiver->wait_event(long_enough)), "port 1: port error");
        pull_up();
        EXPECT_EQ(text_of(receiver->wait_event(long_enough)), "port 1: port active");
    }
    stop.request_stop();
    other.join();
}

TEST_F(LifeOnCable, EndsAWaitForEventsOnRequest) {
    std::stop_source stop;
    std::thread other{[&] { EXPECT_FALSE(receiver->wait_event(no_timeout, stop.get_token())); }};
    stop.request_stop();
    other.join();
}

TEST_F(LifeOnCable, WakesAWaiterInVainOnceAtMost) {
    const Flow flow = hear();
    for (std::uint8_t turn = 0; turn < 5; ++turn) {
        const std::uint64_t before = receiver->stats().empty_wakeups;
        std::stop_source stop;
        std::thread waiter{[&] { static_cast<void>(receiver->recv(no_timeout, stop.get_token())); }};
        cable->right.set_up(false);
        EXPECT_EQ(text_of(receiver->wait_event(long_enough)), "port 1: port error");
        stop.request_stop();
        waiter.join();
        // Takes the rest off the socket.
        static_cast<void>(receiver->recv(1ms));
        EXPECT_LE(receiver->stats().empty_wakeups, before + 1);
        pull_up();
        EXPECT_EQ(text_of(receiver->wait_event(long_enough)), "port 1: port active");
    }
}

TEST_F(LifeOnCable, FollowsItsMacAddress) {
    const auto own = [&](const FlowRule& rule) { return cable->right.run([&] { return receiver->install(rule); }); };
    const Flow flow = own(FlowRule{}.own_mac().count());
    const Flow fixed = own(FlowRule{}.dst_mac(cable->right.mac).priority(1).count());
    send_to(cable->right.mac, 1);
    expect_frame(1);
    const MacAddress next{"02:00:00:00:00:77"};
    std::thread changer{[&] { cable->right.name_space.ip({"link", "set", "right0", "address", next.to_string()}); }};
    EXPECT_EQ(text_of(receiver->wait_event(long_enough)), "port 1: GID table change");
    changer.join();
    EXPECT_EQ(receiver->mac(), next);
    send_to(next, 2);
    expect_frame(2);
    EXPECT_EQ(flow.count()->packets, 2u);
    // A rule for the old address still means that one, and its frames still arrive.
    send_to(cable->right.mac, 3);
    expect_frame(3);
    EXPECT_EQ(fixed.count()->packets, 1u);
    const Flow another = own(FlowRule{}.own_mac().priority(1));
    EXPECT_EQ(another.rule().fields().dst_mac, next);
}

TEST_F(LifeOnCable, FollowsItsMacAddressWhileItWaitsForFrames) {
    const Flow flow = cable->right.run([&] { return receiver->install(FlowRule{}.own_mac()); });
    const MacAddress next{"02:00:00:00:00:77"};
    RecvList list;
    std::thread waiter{[&] { list = receiver->recv(long_enough); }};
    cable->right.name_space.ip({"link", "set", "right0", "address", next.to_string()});
    // Until the waiter has taken the event, no rule matches frames to the new address.
    for (int i = 0; i < 100'000 && receiver->stats().recv_packets == 0; ++i) send_to(next, 1);
    waiter.join();
    EXPECT_EQ(list.outcome(), Outcome::packets);
}

TEST_F(LifeOnCable, KeepsARuleThatTheDeviceRefusesAnew) {
    static bool refuses = false;
    static verbs::Provider provider;
    provider = *receiver->device().provider;
    provider.create_flow = [](ibv_qp* qp, ibv_flow_attr* attr) {
        errno = ENOMEM;
        return refuses ? nullptr : soft::provider().create_flow(qp, attr);
    };
    Device device = receiver->device();
    device.provider = &provider;
    receiver.emplace(std::move(device), Options{.send_packets = none});
    refuses = false;
    const Flow flow = receiver->install(FlowRule{}.own_mac().count());
    refuses = true;
    cable->right.name_space.ip({"link", "set", "right0", "address", "02:00:00:00:00:77"});
    EXPECT_EQ(text_of(receiver->wait_event(long_enough)), "port 1: GID table change");
    ASSERT_EQ(receiver->counters().flows.size(), 1u);
    EXPECT_NE(receiver->counters().flows.front().rule.find(cable->right.mac.to_string()), std::string::npos);
    send_to(cable->right.mac, 1);
    expect_frame(1);
}

TEST_F(LifeOnCable, FollowsItsMtu) {
    const Flow flow = cable->right.run([&] { return receiver->install(FlowRule{}.own_mac()); });
    for (const VethPair::End* end : {&cable->left, &cable->right})
        end->name_space.ip({"link", "set", end->interface, "mtu", "3000"});
    EXPECT_EQ(text_of(receiver->wait_event(long_enough)), "port 1: client reregistration");
    EXPECT_EQ(receiver->mtu(), 3000u);
    EXPECT_EQ(receiver->limits().mtu, 1500u);
    EXPECT_EQ(receiver->port().active_mtu, IBV_MTU_2048);
    EXPECT_EQ(text_of(sender->wait_event(long_enough)), "port 1: client reregistration");
    send_to(cable->right.mac, 1, 3014);
    expect_frame(1, 3014);
    EXPECT_EQ(receiver->stats().drops.total(), 0u);
}

TEST_F(LifeOnCable, OutlivesItsBridge) {
    const Flow flow = hear();
    const auto& network = cable->right.name_space;
    network.ip({"link", "add", "bridge0", "type", "bridge"});
    network.ip({"link", "set", "right0", "master", "bridge0"});
    network.ip({"link", "set", "right0", "nomaster"});
    while (const auto event = receiver->next_event()) EXPECT_FALSE(event->is_fatal()) << event->to_string();
    send(1);
    expect_frame(1);
}

TEST_F(LifeOnCable, EndsWhereItsInterfaceIsMovedAway) {
    const NetworkNamespace elsewhere;
    cable->right.name_space.ip({"link", "set", "right0", "netns",
                                "/proc/" + std::to_string(::getpid()) + "/fd/" + std::to_string(elsewhere.fd())});
    EXPECT_EQ(receiver->recv(long_enough).outcome(), Outcome::device_error);
    std::optional<verbs::AsyncEvent> last;
    while (const auto event = receiver->next_event()) last = event;
    EXPECT_EQ(text_of(last), "device: local catastrophic error");
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
    EXPECT_EQ(receiver->recv(no_timeout).outcome(), Outcome::device_error);  // at once, now
    EXPECT_EQ(receiver->queue(0).error(), EIO);
    std::optional<verbs::AsyncEvent> last;
    while (const auto event = receiver->next_event()) last = event;
    ASSERT_TRUE(last);
    EXPECT_EQ(last->type, IBV_EVENT_DEVICE_FATAL);
    receiver->drain();
    EXPECT_FALSE(is_readable(receiver->fd())) << "an event loop would spin";
    EXPECT_NO_THROW(receiver->close());
}

TEST_F(LifeOnCable, ReportsToAnEventLoopThatItsInterfaceIsGone) {
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
