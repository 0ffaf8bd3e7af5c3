// SPDX-License-Identifier: Apache-2.0
// Steering over every link: each frame reaches the queue of its rule, and no other.
#include <algorithm>
#include <atomic>
#include <cstring>
#include <thread>

#include "ip_frame.hpp"
#include "link_ends.hpp"

namespace pktverbs::testing {
namespace {

constexpr std::uint16_t steered_type = 0x88b5, marker_type = 0x88b6;  // IEEE 802: local experiments

/// With its number in its last four bytes.
Bytes ending_in(Bytes made, std::uint32_t number) {
    std::memcpy(&made[made.size() - 4], &number, sizeof number);
    return made;
}
std::uint32_t number_at_end(const RecvPkt& pkt) {
    std::uint32_t number = 0;
    std::memcpy(&number, &pkt.bytes()[pkt.length() - 4], sizeof number);
    return number;
}

Bytes of_type(std::uint16_t type, const MacAddress& to = MacAddress::broadcast(), std::uint16_t tci = 0) {
    IpFrame made;
    made.dst_mac.assign(to.bytes().begin(), to.bytes().end());
    if (tci != 0) made.tags = {0x81, 0x00, static_cast<std::uint8_t>(tci >> 8), static_cast<std::uint8_t>(tci)};
    Bytes bytes = made.bytes();
    bytes[made.ip_offset() - 2] = static_cast<std::uint8_t>(type >> 8);
    bytes[made.ip_offset() - 1] = static_cast<std::uint8_t>(type);
    return bytes;
}

/// A rule, and frames for it.
struct Steered {
    FlowRule rule;
    std::vector<Bytes> frames;
};

class LinkSteering : public OnLink {
protected:
    static Options with_queues(std::uint32_t queues) {
        return link_options_with([&](Options& options) { options.queues = queues; });
    }

    /// Installs each rule for its queue, sends all frames and those that are nobody's, mixed, and expects each where it
    /// belongs. `make` is called with the receiving end.
    template <class Make>
    void expect_steered(Make&& make, const std::vector<Bytes>& nobodys) {
        LinkEnds ends{GetParam(), with_queues(5)};
        for (const auto& [from, to] : ends.both_ways()) expect_steered(*from, *to, make(*to), nobodys);
    }

private:
    void expect_steered(Context& from, Context& to, const std::vector<Steered>& steered,
                        const std::vector<Bytes>& nobodys) {
        std::vector<Flow> flows;
        for (std::size_t i = 0; i < steered.size(); ++i) flows.push_back(to.install(steered[i].rule, i));
        const std::size_t last = steered.size();
        flows.push_back(to.install(FlowRule{}.ether_type(marker_type), last));

        const OnOneProcessor one;
        std::vector<Numbers> expected(last + 1);
        std::uint32_t number = 0;
        for (int turn = 0; turn < 5; ++turn) {
            for (const Bytes& bytes : nobodys) send_frame(from, ending_in(bytes, number++));
            for (std::size_t i = 0; i < steered.size(); ++i)
                for (const Bytes& bytes : steered[i].frames) {
                    expected[i].push_back(number);
                    send_frame(from, ending_in(bytes, number++));
                }
        }
        expected[last].push_back(number);
        send_frame(from, ending_in(of_type(marker_type), number));

        std::vector<Numbers> received(last + 1);
        const auto give_up = std::chrono::steady_clock::now() + patience;
        while (count(received) < count(expected) && std::chrono::steady_clock::now() < give_up) {
            from.flush(0ns);
            take(to, received, 1ms);
        }
        while (take(to, received, 0ns)) {
        }
        if (!GetParam().has(Lack::flow_order))
            for (Numbers& numbers : received) std::ranges::sort(numbers);
        EXPECT_EQ(received, expected);
    }
    static std::size_t count(const std::vector<Numbers>& of_all) {
        std::size_t sum = 0;
        for (const Numbers& numbers : of_all) sum += numbers.size();
        return sum;
    }
    /// False if nothing came.
    static bool take(Context& to, std::vector<Numbers>& received, std::chrono::nanoseconds timeout) {
        bool any = false;
        for (std::size_t i = 0; i < received.size(); ++i) {
            const RecvList list = to.queue(i).recv(timeout);
            for (const RecvPkt& pkt : list) received[i].push_back(number_at_end(pkt));
            any |= !list.empty();
        }
        return any;
    }
};
INSTANTIATE_TEST_SUITE_P(, LinkSteering, ::testing::ValuesIn(links_with()), name_of_link);

TEST_P(LinkSteering, GoesByMacAddress) {
    const MacAddress other{"02:00:5e:10:00:01"}, nobody{"02:00:5e:10:00:02"}, group{"01:00:5e:02:01:96"};
    expect_steered(
        [&](const Context& to) {
            return std::vector<Steered>{
                {FlowRule{}.own_mac().ether_type(steered_type), {of_type(steered_type, to.mac())}},
                {FlowRule{}.dst_mac(other), {of_type(steered_type, other), of_type(0x1234, other)}},
                {FlowRule{}.dst_mac(MacAddress::broadcast()).ether_type(steered_type), {of_type(steered_type)}},
                {FlowRule{}.dst_mac(group), {of_type(steered_type, group)}},
            };
        },
        {of_type(steered_type, nobody), of_type(0x1234)});
}

TEST_P(LinkSteering, GoesByVlan) {
    const auto of_vlan = [](std::uint16_t tci) { return of_type(steered_type, MacAddress::broadcast(), tci); };
    expect_steered(
        [&](const Context&) {
            return std::vector<Steered>{
                {FlowRule{}.vlan(5), {of_vlan(5), of_vlan(0x4005)}},
                {FlowRule{}.vlan(4095), {of_vlan(4095)}},
                {FlowRule{}.vlan(6).vlan_priority(3), {of_vlan(0x6006)}},
            };
        },
        {of_vlan(7), of_vlan(0x4006), of_type(steered_type)});
}

TEST_P(LinkSteering, GoesByAddressesAndPortsOfIpv4) {
    const auto with = [](IpFrame::Bytes dst, std::uint16_t port, bool tcp) {
        IpFrame made;
        made.dst = std::move(dst);
        made.dst_port = port;
        made.tcp = tcp;
        return made.bytes();
    };
    expect_steered(
        [&](const Context&) {
            return std::vector<Steered>{
                {FlowRule{}.dst_ip("10.1.2.3").udp().dst_port(7148), {with({10, 1, 2, 3}, 7148, false)}},
                {FlowRule{}.dst_ip("10.1.2.3").tcp().dst_port(7148), {with({10, 1, 2, 3}, 7148, true)}},
                {FlowRule{}.dst_ip("10.9.0.0/16"), {with({10, 9, 2, 3}, 7148, true), with({10, 9, 3, 3}, 0, false)}},
                {FlowRule{}.src_ip("10.1.2.3").udp().dst_port(7149), {with({10, 8, 0, 1}, 7149, false)}},
            };
        },
        {with({10, 1, 2, 3}, 7150, false), with({10, 1, 2, 4}, 7148, true), of_type(steered_type)});
}

TEST_P(LinkSteering, GoesByAddressesAndPortsOfIpv6) {
    const auto with = [](std::uint8_t last, std::uint16_t port, bool tcp) {
        IpFrame made = IpFrame::v6(tcp);
        made.dst.back() = last;
        made.dst_port = port;
        return made.bytes();
    };
    expect_steered(
        [&](const Context&) {
            return std::vector<Steered>{
                {FlowRule{}.dst_ip("fd77::7").udp().dst_port(7148), {with(7, 7148, false)}},
                {FlowRule{}.dst_ip("fd77::7").tcp(), {with(7, 7148, true), with(7, 80, true)}},
                {FlowRule{}.dst_ip("fd77::8/127"), {with(8, 1, false), with(9, 2, true)}},
            };
        },
        {with(7, 7149, false), with(10, 7148, true), IpFrame{}.bytes()});
}

TEST_P(LinkSteering, DropsWhatARuleDrops) {
    LinkEnds ends{GetParam()};
    const Flow all = ends.right().install(FlowRule{}.priority(1));
    const Flow dropped = ends.right().install(FlowRule{}.ether_type(steered_type).drop());
    for (std::uint32_t number = 0; number < 10; ++number) {
        send_frame(ends.left(), ending_in(of_type(steered_type), 100 + number));
        send_frame(ends.left(), ending_in(of_type(marker_type), number));
    }
    for (std::uint32_t next = 0; next < 10;) {
        const RecvList list = ends.right().recv(patience);
        ASSERT_FALSE(list.empty());
        for (const RecvPkt& pkt : list) EXPECT_EQ(number_at_end(pkt), next++);
    }
}

TEST_P(LinkSteering, ChangesWhileFramesArrive) {
    LinkEnds ends{GetParam()};
    const Flow standing = ends.right().install(FlowRule{}.ether_type(steered_type));
    std::atomic<bool> done{false};
    std::thread changing{[&] {
        for (std::uint16_t turn = 0; !done; turn = static_cast<std::uint16_t>((turn + 1) % 4000)) {
            const Flow flow = ends.right().install(FlowRule{}.vlan(turn));
            ends.right().set_flow(turn % 2, FlowRule{}.udp().dst_port(turn));
        }
    }};
    const OnOneProcessor one;
    for (std::uint32_t number = 0; number < 2000 && !HasFailure(); number += 20) {
        for (std::uint32_t i = 0; i < 20; ++i) send_frame(ends.left(), ending_in(of_type(steered_type), number + i));
        for (std::uint32_t next = number; next < number + 20;) {
            const RecvList list = ends.right().recv(patience);
            EXPECT_FALSE(list.empty());
            if (list.empty()) break;
            for (const RecvPkt& pkt : list) EXPECT_EQ(number_at_end(pkt), next++);
        }
    }
    done = true;
    changing.join();
    EXPECT_EQ(ends.right().stats().drops.total(), 0U);
}

}  // namespace
}  // namespace pktverbs::testing
