// SPDX-License-Identifier: Apache-2.0
// Flows: installing, replacing and removing, and what then arrives.
#include <atomic>
#include <cerrno>
#include <optional>
#include <thread>

#include <pktverbs/soft/device.hpp>
#include "expect_error.hpp"
#include "wired.hpp"

#include "wire_device.hpp"

namespace pktverbs::testing {
namespace {

constexpr std::uint8_t udp = 17, tcp = 6;

Bytes operator+(Bytes front, const Bytes& back) {
    front.insert(front.end(), back.begin(), back.end());
    return front;
}
Bytes mac(std::string_view text) {
    const auto bytes = MacAddress{text}.bytes();
    return {bytes.begin(), bytes.end()};
}
Bytes ethernet(const Bytes& dst, std::uint16_t type) {
    return dst + mac("02:00:00:00:00:01") +
           Bytes{static_cast<std::uint8_t>(type >> 8), static_cast<std::uint8_t>(type)};
}
/// 20 bytes of UDP, or of TCP's header.
Bytes transport(std::uint8_t protocol, std::uint16_t dst) {
    Bytes header{0x10, 0, static_cast<std::uint8_t>(dst >> 8), static_cast<std::uint8_t>(dst)};
    header.resize(20);
    if (protocol == udp)
        header[5] = 20;
    else
        header[12] = 0x50;
    return header;
}
Bytes ipv4(std::string_view dst, std::uint8_t protocol = udp, std::uint16_t port = 7148) {
    const auto address = Ipv4Address{dst}.bytes();
    return Bytes{0x45, 0, 0, 40, 0, 0, 0x40, 0, 64, protocol, 0, 0, 192, 0, 2, 1} +
           Bytes{address.begin(), address.end()} + transport(protocol, port);
}
Bytes ipv6(std::string_view dst, std::uint8_t protocol = udp, std::uint16_t port = 7148) {
    const auto address = Ipv6Address{dst}.bytes();
    return Bytes{0x60, 0, 0, 0, 0, 20, protocol, 64} + Bytes(16, 0x20) + Bytes{address.begin(), address.end()} +
           transport(protocol, port);
}
Bytes ipv4_frame(std::string_view dst, std::uint8_t protocol = udp, std::uint16_t port = 7148) {
    return ethernet(mac("02:50:56:00:00:09"), 0x0800) + ipv4(dst, protocol, port);
}
Bytes tagged(std::uint16_t tci, const Bytes& rest) {
    return ethernet(mac("02:50:56:00:00:09"), 0x8100) +
           Bytes{static_cast<std::uint8_t>(tci >> 8), static_cast<std::uint8_t>(tci), 0x08, 0x00} + rest;
}

class Flows : public Wired {
protected:
    std::size_t hears(const Bytes& sent) {
        world.send(sent);
        return ctx.recv(0ns).size();
    }
    Context ctx = open();
};

TEST_F(Flows, BringTheFramesTheyDescribeAndNoOthers) {
    const Flow flow = ctx.install(FlowRule{}.dst_ip("10.1.2.3").udp().dst_port(7148));
    EXPECT_EQ(hears(ipv4_frame("10.1.2.3")), 1u);
    EXPECT_EQ(hears(ipv4_frame("10.1.2.4")), 0u);
    EXPECT_EQ(hears(ipv4_frame("10.1.2.3", tcp)), 0u);
    EXPECT_EQ(hears(ipv4_frame("10.1.2.3", udp, 7149)), 0u);
    EXPECT_EQ(ctx.stats().drops.unmatched, 3u);
}

TEST_F(Flows, EndWithTheirHandle) {
    {
        const Flow flow = ctx.install(FlowRule{});
        EXPECT_EQ(hears(frame(0)), 1u);
    }
    EXPECT_EQ(hears(frame(0)), 0u);
}

TEST_F(Flows, MoveWithTheirHandle) {
    Flow flow = ctx.install(FlowRule{}), other = std::move(flow);
    EXPECT_FALSE(flow.installed());
    EXPECT_TRUE(other.installed());
    flow.remove();
    EXPECT_EQ(hears(frame(0)), 1u);
    other = Flow{};
    EXPECT_EQ(hears(frame(0)), 0u);
    Flow third = ctx.install(FlowRule{});
    Flow& same = third;
    third = std::move(same);
    EXPECT_TRUE(third.installed());
    other = std::move(third);
    EXPECT_EQ(hears(frame(0)), 1u);
}

TEST_F(Flows, AssignmentRemovesTheOldOne) {
    Flow flow = ctx.install(FlowRule{}.ether_type(0x1234));
    flow = ctx.install(FlowRule{}.ether_type(0x5678));
    EXPECT_EQ(hears(ethernet(mac("ff:ff:ff:ff:ff:ff"), 0x1234)), 0u);
    EXPECT_EQ(hears(ethernet(mac("ff:ff:ff:ff:ff:ff"), 0x5678)), 1u);
}

TEST_F(Flows, OutliveTheirContext) {
    std::optional<Context> short_lived{open()};
    Flow flow = short_lived->install(FlowRule{}), other = short_lived->install(FlowRule{}.vlan(3));
    short_lived.reset();
    flow.remove();
    EXPECT_EQ(other.rule(), FlowRule{}.vlan(3));
}

TEST_F(Flows, OwnMacIsThePorts) {
    const Flow flow = ctx.install(FlowRule{}.own_mac());
    EXPECT_EQ(flow.rule(), FlowRule{}.dst_mac(ctx.limits().mac));
    const auto own = ctx.limits().mac.bytes();
    EXPECT_EQ(hears(ethernet({own.begin(), own.end()}, 0x88b5)), 1u);
    EXPECT_EQ(hears(frame(0)), 0u);
}

TEST_F(Flows, OwnMacIsTheOneThatTheDeviceStringSays) {
    Context other{"wire:" + name + "?mac=02:00:5e:10:00:01", small};
    EXPECT_EQ(other.limits().mac, MacAddress{"02:00:5e:10:00:01"});
    const Flow flow = other.install(FlowRule{}.own_mac());
    world.send(ethernet(mac("02:00:5e:10:00:01"), 0x88b5));
    EXPECT_EQ(other.recv(0ns).size(), 1u);
}

TEST_F(Flows, MulticastFillsInTheMac) {
    const Flow four = ctx.install(FlowRule{}.dst_ip("239.129.1.150"));
    const Flow six = ctx.install(FlowRule{}.dst_ip("ff15::1:2"));
    EXPECT_EQ(four.rule(), FlowRule{}.dst_ip("239.129.1.150").dst_mac("01:00:5e:01:01:96"));
    EXPECT_EQ(six.rule(), FlowRule{}.dst_ip("ff15::1:2").dst_mac("33:33:00:01:00:02"));
    EXPECT_EQ(hears(ethernet(mac("01:00:5e:01:01:96"), 0x0800) + ipv4("239.129.1.150")), 1u);
    EXPECT_EQ(hears(ethernet(mac("33:33:00:01:00:02"), 0x86dd) + ipv6("ff15::1:2")), 1u);
    EXPECT_EQ(hears(ipv4_frame("239.129.1.150")), 0u);
}

TEST_F(Flows, MulticastPrefixAndUnicastFillInNothing) {
    EXPECT_EQ(ctx.install(FlowRule{}.dst_ip("239.0.0.0/8")).rule(), FlowRule{}.dst_ip("239.0.0.0/8"));
    EXPECT_EQ(ctx.install(FlowRule{}.dst_ip("10.0.0.1")).rule(), FlowRule{}.dst_ip("10.0.0.1"));
}

TEST_F(Flows, TwoRulesOfOneGroupStandAlone) {
    Flow one = ctx.install(FlowRule{}.dst_ip("239.1.1.1").udp().dst_port(1));
    const Flow two = ctx.install(FlowRule{}.dst_ip("239.1.1.1").udp().dst_port(2));
    const Bytes front = ethernet(mac("01:00:5e:01:01:01"), 0x0800);
    one.remove();
    EXPECT_EQ(hears(front + ipv4("239.1.1.1", udp, 1)), 0u);
    EXPECT_EQ(hears(front + ipv4("239.1.1.1", udp, 2)), 1u);
}

TEST_F(Flows, MoreThanTwentyGroupsWork) {
    std::vector<Flow> flows;
    for (int i = 1; i <= 50; ++i) flows.push_back(ctx.install(FlowRule{}.dst_ip("239.1.1." + std::to_string(i))));
    EXPECT_EQ(hears(ethernet(mac("01:00:5e:01:01:32"), 0x0800) + ipv4("239.1.1.50")), 1u);
}

TEST_F(Flows, OfAVlanLookAtItsTwelveBits) {
    const Flow flow = ctx.install(FlowRule{}.vlan(5));
    EXPECT_EQ(hears(tagged(5, ipv4("10.0.0.1"))), 1u);
    EXPECT_EQ(hears(tagged(0x7005, ipv4("10.0.0.1"))), 1u);
    EXPECT_EQ(hears(tagged(6, ipv4("10.0.0.1"))), 0u);
    EXPECT_EQ(hears(ipv4_frame("10.0.0.1")), 0u);
}

TEST_F(Flows, OfAVlanPriorityLookAtItsThreeBits) {
    const Flow flow = ctx.install(FlowRule{}.vlan_priority(3));
    EXPECT_EQ(hears(tagged(0x6005, ipv4("10.0.0.1"))), 1u);
    EXPECT_EQ(hears(tagged(0x4005, ipv4("10.0.0.1"))), 0u);
}

TEST_F(Flows, OfIpv6MatchAddressesPrefixesAndPorts) {
    const Flow flow = ctx.install(FlowRule{}.dst_ip("2001:db8::/32").tcp().dst_port(80));
    const Bytes front = ethernet(mac("02:50:56:00:00:09"), 0x86dd);
    EXPECT_EQ(hears(front + ipv6("2001:db8:1::9", tcp, 80)), 1u);
    EXPECT_EQ(hears(front + ipv6("2001:db9::9", tcp, 80)), 0u);
    EXPECT_EQ(hears(front + ipv6("2001:db8:1::9", udp, 80)), 0u);
    EXPECT_EQ(hears(ipv4_frame("10.0.0.1", tcp, 80)), 0u);
}

TEST_F(Flows, ZeroIsAValue) {
    const Flow flow = ctx.install(FlowRule{}.vlan(0).vlan_priority(0));
    EXPECT_EQ(hears(tagged(0, ipv4("10.0.0.1"))), 1u);
    EXPECT_EQ(hears(tagged(1, ipv4("10.0.0.1"))), 0u);
}

TEST_F(Flows, OfALowerPriorityNumberComeFirst) {
    Context two = open(with_queues(2));
    const Flow late = two.install(FlowRule{}.priority(2), 0);
    Flow early = two.install(FlowRule{}.ether_type(0x0800).priority(1), 1);
    world.send(ipv4_frame("10.0.0.1"));
    EXPECT_EQ(two.queue(0).recv(0ns).size(), 0u);
    EXPECT_EQ(two.queue(1).recv(0ns).size(), 1u);
    early.remove();
    world.send(ipv4_frame("10.0.0.1"));
    EXPECT_EQ(two.queue(0).recv(0ns).size(), 1u);
}

TEST_F(Flows, ThatDropKeepFramesAway) {
    const Flow all = ctx.install(FlowRule{}.priority(1));
    Flow drop = ctx.install(FlowRule{}.ether_type(0x0800).drop());
    EXPECT_EQ(hears(ipv4_frame("10.0.0.1")), 0u);
    EXPECT_EQ(hears(frame(0)), 1u);
    EXPECT_EQ(ctx.stats().drops.by_rule, 1u);
    drop.remove();
    EXPECT_EQ(hears(ipv4_frame("10.0.0.1")), 1u);
}

TEST_F(Flows, ThatDoNotTrapPassFramesOn) {
    Context two = open(with_queues(2));
    const Flow watch = two.install(FlowRule{}.ether_type(0x0800).dont_trap(), 0);
    const Flow all = two.install(FlowRule{}.priority(1), 1);
    world.send(ipv4_frame("10.0.0.1"));
    EXPECT_EQ(two.queue(0).recv(0ns).size(), 1u);
    EXPECT_EQ(two.queue(1).recv(0ns).size(), 1u);
}

TEST_F(Flows, ThatSniffGetACopyOfEverything) {
    Context two = open(with_queues(2));
    const Flow sniffer = two.install(FlowRule{}.sniffer(), 0);
    const Flow taking = two.install(FlowRule{}.ether_type(0x0800), 1);
    world.send(ipv4_frame("10.0.0.1"));
    world.send(frame(0));
    EXPECT_EQ(two.queue(0).recv(0ns).size(), 2u);
    EXPECT_EQ(two.queue(1).recv(0ns).size(), 1u);
}

TEST_F(Flows, ThatAreDefaultsTakeTheRest) {
    Context three = open(with_queues(3));
    const Flow normal = three.install(FlowRule{}.ether_type(0x0800), 0);
    const Flow multicast = three.install(FlowRule{}.multicast_default(), 1);
    const Flow rest = three.install(FlowRule{}.all_default(), 2);
    world.send(ipv4_frame("10.0.0.1"));
    world.send(frame(0));
    world.send(ethernet(mac("02:50:56:00:00:09"), 0x88b5));
    for (std::size_t i = 0; i < 3; ++i) EXPECT_EQ(three.queue(i).recv(0ns).size(), 1u) << i;
}

TEST_F(Flows, OfOneRuleTwiceBringEachFrameOnce) {
    Flow first = ctx.install(FlowRule{}.vlan(3));
    const Flow second = ctx.install(FlowRule{}.vlan(3));
    EXPECT_EQ(hears(tagged(3, ipv4("10.0.0.1"))), 1u);
    first.remove();
    EXPECT_EQ(hears(tagged(3, ipv4("10.0.0.1"))), 1u);
}

TEST_F(Flows, ThatContradictThemselvesAreRefused) {
    const auto refused = [&](const FlowRule& rule) { return expect_error(EINVAL, [&] { (void)ctx.install(rule); }); };
    expect_words(refused(FlowRule{}.dst_port(1)), {"contradicts itself", "dst_port 1", ".udp() or .tcp()"});
    expect_words(refused(FlowRule{}.src_ip("10.0.0.1").dst_ip("::1")), {"IPv4", "IPv6"});
    expect_words(refused(FlowRule{}.own_mac().dst_ip("239.1.1.1")), {"own_mac", "239.1.1.1"});
    expect_words(refused(FlowRule{}.vlan(4096)), {"vlan 4096"});
    expect_words(refused(FlowRule{}.drop().dont_trap()), {"drop and dont_trap"});
    EXPECT_EQ(hears(frame(0)), 0u);
}

TEST_F(Flows, OnAQueueThatIsNotThereAreRefused) {
    expect_words(expect_error(EINVAL, [&] { (void)ctx.install(FlowRule{}, 1); }), {"queue 1", "there are 1"});
    expect_error(EINVAL, [&] { ctx.set_flow(0, FlowRule{}, 7); });
}

TEST_F(Flows, TagsComeWithTheirFrames) {
    Context tagging = open(with_timestamps(small));
    const Flow one = tagging.install(FlowRule{}.vlan(1).tag(11)),
               two = tagging.install(FlowRule{}.vlan(2).tag(0xffffff));
    world.send(tagged(2, ipv4("10.0.0.1")));
    world.send(tagged(1, ipv4("10.0.0.1")));
    const RecvList list = tagging.recv(0ns);
    ASSERT_EQ(list.size(), 2u);
    EXPECT_EQ(list.front().flow_tag(), 0xffffffu);
    EXPECT_EQ(std::next(list.begin())->flow_tag(), 11u);
}

// Numbered slots.

class Slots : public Flows {
protected:
    const FlowRule rule = FlowRule{}.ether_type(0x0800), other = FlowRule{}.ether_type(0x88b5);
    const Bytes matching = ipv4_frame("10.0.0.1"), others = frame(0);
};

TEST_F(Slots, AreSetReplacedAndCleared) {
    ctx.set_flow(5, rule);
    EXPECT_EQ(hears(matching), 1u);
    ctx.set_flow(5, other);
    EXPECT_EQ(hears(matching), 0u);
    EXPECT_EQ(hears(others), 1u);
    ctx.clear_flow(5);
    EXPECT_EQ(hears(others), 0u);
}

TEST_F(Slots, EmptyOnesMayBeCleared) {
    EXPECT_NO_THROW(ctx.clear_flow(0));
    EXPECT_NO_THROW(ctx.clear_flow(std::numeric_limits<std::size_t>::max()));
    ctx.set_flow(1'000'000, rule);
    ctx.clear_flow(1'000'000);
    ctx.clear_flow(1'000'000);
    EXPECT_EQ(hears(matching), 0u);
}

TEST_F(Slots, FailedReplaceLeavesTheOldRuleInForce) {
    ctx.set_flow(0, rule);
    expect_error(EINVAL, [&] { ctx.set_flow(0, FlowRule{}.dst_port(1)); });
    expect_error(EINVAL, [&] { ctx.set_flow(0, rule, 9); });
    EXPECT_EQ(hears(matching), 1u);
    ctx.clear_flow(0);
    EXPECT_EQ(hears(matching), 0u);
}

/// A soft device that, like mlx5, may take two rules for the same.
class Picky {
public:
    explicit Picky(const std::string& wire) : device{testing::wire_device(wire)} {
        provider = soft::provider();
        provider.create_flow = [](ibv_qp* qp, ibv_flow_attr* attr) -> ibv_flow* {
            if (refusals == 0) return soft::provider().create_flow(qp, attr);
            --refusals;
            errno = EEXIST;
            return nullptr;
        };
        device.provider = &provider;
    }
    verbs::Device device;
    static inline int refusals = 0;

private:
    verbs::Provider provider;
};

TEST_F(Slots, ReplaceARuleThatIsInTheWayOfItsSuccessor) {
    Picky picky{name};
    ctx = Context{picky.device, small};
    ctx.set_flow(0, rule);
    Picky::refusals = 1;
    ctx.set_flow(0, other);
    EXPECT_EQ(hears(matching), 0u);
    EXPECT_EQ(hears(others), 1u);
    ctx.close();
}

TEST_F(Slots, PutTheOldRuleBackIfItsSuccessorIsRefusedAllTheSame) {
    Picky picky{name};
    ctx = Context{picky.device, small};
    ctx.set_flow(0, rule);
    Picky::refusals = 2;
    expect_words(expect_error(EEXIST, [&] { ctx.set_flow(0, other); }), {"already there"});
    EXPECT_EQ(hears(matching), 1u);
    EXPECT_EQ(hears(others), 0u);
    ctx.close();
}

TEST_F(Slots, ReplaceByTheSameRuleKeepsIt) {
    for (int i = 0; i < 3; ++i) ctx.set_flow(0, rule);
    EXPECT_EQ(hears(matching), 1u);
    ctx.clear_flow(0);
    EXPECT_EQ(hears(matching), 0u);
}

TEST_F(Slots, ReplaceByAnotherTextOfTheSameRuleKeepsIt) {
    ctx.set_flow(0, FlowRule{}.own_mac());
    ctx.set_flow(0, FlowRule{}.dst_mac(ctx.limits().mac));
    ctx.set_flow(0, FlowRule{}.own_mac());
    const auto own = ctx.limits().mac.bytes();
    EXPECT_EQ(hears(ethernet({own.begin(), own.end()}, 0x88b5)), 1u);
    ctx.clear_flow(0);
    EXPECT_EQ(hears(ethernet({own.begin(), own.end()}, 0x88b5)), 0u);
}

TEST_F(Slots, MoveTheirRuleToAnotherQueue) {
    Context two = open(with_queues(2));
    two.set_flow(0, rule, 0);
    two.set_flow(0, rule, 1);
    world.send(matching);
    EXPECT_EQ(two.queue(0).recv(0ns).size(), 0u);
    EXPECT_EQ(two.queue(1).recv(0ns).size(), 1u);
}

TEST_F(Slots, AreApartFromFlowHandles) {
    ctx.set_flow(0, rule);
    Flow flow = ctx.install(other);
    flow.remove();
    EXPECT_EQ(hears(matching), 1u);
    EXPECT_EQ(hears(others), 0u);
}

TEST_F(Flows, ChangeWhileAnotherThreadReceives) {
    const Flow numbered = ctx.install(FlowRule{}.ether_type(0x88b5));
    std::atomic<bool> done{false};
    std::uint32_t next = 0;
    std::thread receiver{[&] {
        while (!done || !ctx.recv(0ns).empty())
            for (const RecvPkt& pkt : ctx.recv(0ns)) EXPECT_EQ(number_of(pkt.bytes()), next++);
    }};
    std::uint32_t planted = 0;
    for (std::uint32_t turn = 0; turn < 500; ++turn) {
        const Flow flow = ctx.install(FlowRule{}.vlan(static_cast<std::uint16_t>(turn)));
        ctx.set_flow(turn % 3, FlowRule{}.dst_ip("239.1.2." + std::to_string(turn % 250)));
        plant(1, planted++);
        while (ctx.stats().recv_packets < planted) std::this_thread::yield();
        ctx.clear_flow((turn + 1) % 3);
    }
    done = true;
    receiver.join();
    EXPECT_EQ(next, planted);
}

}  // namespace
}  // namespace pktverbs::testing
