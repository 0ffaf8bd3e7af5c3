// SPDX-License-Identifier: Apache-2.0
// RSS: one rule, several queues.
#include <gtest/gtest.h>

#include <array>
#include <cerrno>
#include <map>
#include <numeric>
#include <thread>
#include <vector>

#include <pktverbs/soft/device.hpp>
#include "expect_error.hpp"
#include "faulty_provider.hpp"
#include "soft/steering/toeplitz.hpp"

#include "wired.hpp"

namespace pktverbs::testing {
namespace {

constexpr std::uint8_t udp_number = 17, tcp_number = 6;

struct Tuple {
    std::string_view source;
    std::uint16_t source_port;
    std::string_view destination;
    std::uint16_t destination_port;
};

/// An IPv4 frame with these addresses and ports; the number follows the ports.
Bytes frame_of(const Tuple& tuple, std::uint8_t protocol = udp_number, std::uint32_t number = 0) {
    Bytes made = frame(0);
    made[12] = 0x08;
    made[13] = 0x00;
    std::fill(made.begin() + 14, made.end(), std::uint8_t{0});
    made[14] = 0x45;
    made[17] = 50;
    made[22] = 64;
    made[23] = protocol;
    const auto src = Ipv4Address{tuple.source}.bytes();
    const auto dst = Ipv4Address{tuple.destination}.bytes();
    std::ranges::copy(src, made.begin() + 26);
    std::ranges::copy(dst, made.begin() + 30);
    const std::array<std::uint8_t, 4> ports{
        static_cast<std::uint8_t>(tuple.source_port >> 8), static_cast<std::uint8_t>(tuple.source_port),
        static_cast<std::uint8_t>(tuple.destination_port >> 8), static_cast<std::uint8_t>(tuple.destination_port)};
    std::ranges::copy(ports, made.begin() + 34);
    if (protocol == udp_number)
        made[39] = 30;  // its length
    else
        made[46] = 0x50;  // TCP: a header of 20 bytes
    std::memcpy(made.data() + 58, &number, sizeof number);
    return made;
}

std::uint32_t number_in(const RecvPkt& pkt) {
    std::uint32_t number = 0;
    std::memcpy(&number, pkt.bytes().data() + 58, sizeof number);
    return number;
}

class RssQueues : public Wired {
protected:
    Options rss_over(std::uint32_t queues) {
        Options options = small;
        options.queues = queues;
        options.recv_packets = 256;
        options.rss = Rss{};
        return options;
    }
    static std::vector<std::size_t> received(Context& ctx) {
        std::vector<std::size_t> counts;
        for (std::size_t i = 0; i < ctx.queue_count(); ++i) {
            std::size_t count = 0;
            for (;;) {
                const RecvList list = ctx.queue(i).recv(0ns);
                if (list.empty()) break;
                count += list.size();
            }
            counts.push_back(count);
        }
        return counts;
    }
};

TEST_F(RssQueues, AreThoseOfMicrosoftsVectors) {
    struct Vector {
        Tuple tuple;
        std::uint32_t addresses_only;
        std::uint32_t with_ports;
    };
    // Microsoft, "Verifying the RSS Hash Calculation", TCP over IPv4.
    const std::array vectors{
        Vector{{"66.9.149.187", 2794, "161.142.100.80", 1766}, 0x323e8fc2, 0x51ccc178},
        Vector{{"199.92.111.2", 14230, "65.69.140.83", 4739}, 0xd718262a, 0xc626b0ea},
        Vector{{"24.19.198.95", 12898, "12.22.207.184", 38024}, 0xd2d0a5de, 0x5c2b394a},
        Vector{{"38.27.205.30", 48228, "209.142.163.6", 2217}, 0x82989176, 0xafc7327f},
        Vector{{"153.39.163.191", 44251, "202.188.127.2", 1303}, 0x5d1809c5, 0x10e828a2},
    };
    for (const bool ports : {true, false}) {
        Options options = rss_over(8);
        options.rss->src_port = options.rss->dst_port = ports;
        Context ctx = open(options);
        const Flow flow = ctx.install(FlowRule{}.ipv4().tcp());
        for (const Vector& vector : vectors) {
            world.send(frame_of(vector.tuple, tcp_number));
            std::vector<std::size_t> expected(8);
            expected[(ports ? vector.with_ports : vector.addresses_only) % 8] = 1;
            EXPECT_EQ(received(ctx), expected) << vector.tuple.source_port;
        }
    }
}

TEST_F(RssQueues, KeepEveryFlowInItsOrder) {
    Context ctx = open(rss_over(4));
    const Flow flow = ctx.install(FlowRule{}.dst_ip("10.0.0.2").udp());
    constexpr std::uint16_t flows = 32, turns = 8;
    for (std::uint32_t turn = 0; turn < turns; ++turn)
        for (std::uint16_t i = 0; i < flows; ++i)
            world.send(
                frame_of({"10.0.0.1", static_cast<std::uint16_t>(1000 + i), "10.0.0.2", 7148}, udp_number, turn));
    std::map<std::uint16_t, std::size_t> queue_of;
    std::map<std::uint16_t, std::uint32_t> next;
    std::size_t used = 0;
    for (std::size_t q = 0; q < 4; ++q) {
        const std::size_t before = queue_of.size();
        for (;;) {
            RecvList list = ctx.queue(q).recv(0ns);
            if (list.empty()) break;
            for (const RecvPkt& pkt : list) {
                const auto port = static_cast<std::uint16_t>(pkt.bytes()[34] << 8 | pkt.bytes()[35]);
                EXPECT_EQ(queue_of.try_emplace(port, q).first->second, q);
                EXPECT_EQ(number_in(pkt), next[port]++);
            }
        }
        used += queue_of.size() > before ? 1 : 0;
    }
    EXPECT_EQ(queue_of.size(), flows);
    for (const auto& [port, count] : next) EXPECT_EQ(count, turns);
    EXPECT_EQ(used, 4U) << "32 flows are to meet all of 4 queues";
}

TEST_F(RssQueues, AreServedByOneWait) {
    Context ctx = open(rss_over(3));
    const Flow flow = ctx.install(FlowRule{}.udp());
    for (std::uint16_t port = 0; port < 30; ++port)
        world.send(frame_of({"10.0.0.1", port, "10.0.0.2", 7148}, udp_number, port));
    std::vector<bool> seen(30);
    for (std::size_t count = 0; count < 30;) {
        RecvList list = ctx.recv(no_timeout);
        ASSERT_FALSE(list.empty());
        for (const RecvPkt& pkt : list) seen[number_in(pkt)] = true;
        count += list.size();
    }
    EXPECT_EQ(std::accumulate(seen.begin(), seen.end(), 0), 30);
    EXPECT_EQ(ctx.stats().recv_packets, 30U);
    EXPECT_EQ(ctx.stats().posted_now, 3U * 256);
}

TEST_F(RssQueues, YieldFramesToARuleForOneOfThem) {
    Context ctx = open(rss_over(4));
    const Flow rest = ctx.install(FlowRule{}.udp().priority(1));
    const Flow one = ctx.install(FlowRule{}.udp().dst_port(7), 2);
    for (std::uint16_t i = 0; i < 16; ++i) world.send(frame_of({"10.0.0.1", i, "10.0.0.2", 7}));
    EXPECT_EQ(received(ctx), (std::vector<std::size_t>{0, 0, 16, 0}));
}

TEST_F(RssQueues, ArePassedByByARuleForOthers) {
    Context ctx = open(rss_over(4));
    const std::array<std::size_t, 2> chosen{1, 3};
    const Flow flow = ctx.install(FlowRule{}.udp(), chosen);
    for (std::uint16_t i = 0; i < 64; ++i) world.send(frame_of({"10.0.0.1", i, "10.0.0.2", 7}));
    const auto counts = received(ctx);
    EXPECT_EQ(counts[0] + counts[2], 0U);
    EXPECT_EQ(counts[1] + counts[3], 64U);
    EXPECT_GT(counts[1], 0U);
    EXPECT_GT(counts[3], 0U);
}

TEST_F(RssQueues, GetFairSharesIfNoPowerOfTwo) {
    Context ctx = open(rss_over(3));
    const Flow flow = ctx.install(FlowRule{}.udp());
    for (std::uint16_t i = 0; i < 300; ++i) world.send(frame_of({"10.0.0.1", i, "10.0.0.2", 7}));
    for (const std::size_t count : received(ctx)) {
        EXPECT_GT(count, 60U);
        EXPECT_LT(count, 140U);
    }
}

TEST_F(RssQueues, SendFramesWithoutTheFieldsToTheFirst) {
    Context ctx = open(rss_over(4));
    const Flow flow = ctx.install(FlowRule{});
    plant(5);
    EXPECT_EQ(received(ctx), (std::vector<std::size_t>{5, 0, 0, 0}));
}

TEST_F(RssQueues, RefuseARuleWithoutAHashedField) {
    Options options = rss_over(2);
    options.rss->src_ip = options.rss->dst_ip = false;
    Context ctx = open(options);
    const auto text = expect_error(EINVAL, [&] { auto flow = ctx.install(FlowRule{}.dst_ip("10.0.0.1")); });
    expect_words(text, {"cannot spread the frames of the flow rule 'dst_ip 10.0.0.1'", "ports need udp() or tcp()"});
    EXPECT_NO_THROW(auto flow = ctx.install(FlowRule{}.dst_ip("10.0.0.1").tcp()));
    const Flow arp = ctx.install(FlowRule{}.ether_type(0x88b5), 1);
    plant();
    EXPECT_EQ(received(ctx), (std::vector<std::size_t>{0, 1})) << "one queue needs no hash";
}

TEST_F(RssQueues, HaveSlotsWhoseRulesAreReplaced) {
    Context ctx = open(rss_over(2));
    ctx.set_flow(0, FlowRule{}.udp().dst_port(1));
    ctx.set_flow(0, FlowRule{}.udp().dst_port(2), 1);
    ctx.set_flow(0, FlowRule{}.udp().dst_port(2), 1);
    for (std::uint16_t i = 0; i < 8; ++i) world.send(frame_of({"10.0.0.1", i, "10.0.0.2", 2}));
    EXPECT_EQ(received(ctx), (std::vector<std::size_t>{0, 8}));
    ctx.clear_flow(0);
    world.send(frame_of({"10.0.0.1", 1, "10.0.0.2", 2}));
    EXPECT_EQ(received(ctx), (std::vector<std::size_t>{0, 0}));
}

TEST_F(RssQueues, NeedRssForARuleOverSeveral) {
    Context ctx = open(with_queues(2));
    const std::array<std::size_t, 2> both{0, 1};
    const auto text = expect_error(EOPNOTSUPP, [&] { auto flow = ctx.install(FlowRule{}, both); });
    expect_words(text, {"on 2 queues of wire:", "Options::rss"});
    expect_words(expect_error(EINVAL, [&] { auto flow = ctx.install(FlowRule{}, std::span<const std::size_t>{}); }),
                 {"on no queue"});
}

TEST_F(RssQueues, SendAsOthersDo) {
    Options options = rss_over(2);
    Context ctx = open(options);
    for (std::size_t i = 0; i < 2; ++i)
        ctx.queue(i).send(filled(ctx.queue(i).acquire(2), 10 * static_cast<std::uint32_t>(i)));
    EXPECT_TRUE(ctx.flush(0ns));
    EXPECT_EQ(numbers(world.receive()), (Numbers{0, 1, 10, 11}));
    options.send_packets = none;
    Context receiver = open(options);
    EXPECT_EQ(receiver.queue(0).raw(), nullptr);
    EXPECT_NE(receiver.queue(0).raw_wq(), nullptr);
    const Flow flow = receiver.install(FlowRule{});
    plant();
    EXPECT_EQ(receiver.recv(0ns).size(), 1U);
}

TEST_F(RssQueues, HaveTimestampsAndLayouts) {
    Options options = rss_over(2);
    options.timestamps = true;
    options.recv_layout = Layout{}.chunk(42).chunk(100);
    Context ctx = open(options);
    const Flow flow = ctx.install(FlowRule{}.udp().tag(5));
    world.send(frame_of({"10.0.0.1", 1, "10.0.0.2", 2}));
    RecvList list = ctx.recv(0ns);
    ASSERT_EQ(list.size(), 1U);
    EXPECT_EQ(list.front().chunk(1).size(), 22U);
    EXPECT_GT(list.front().timestamp().count(), 0);
    EXPECT_EQ(list.front().flow_tag(), 5U);
}

TEST_F(RssQueues, LoseNothingWithAThreadEach) {
    constexpr std::uint32_t frames = 4096;
    Options options = rss_over(2);
    options.recv_packets = frames;
    Context ctx = open(options);
    const Flow flow = ctx.install(FlowRule{}.udp());
    std::stop_source stop;
    std::array<std::atomic<std::uint32_t>, 2> counts{};
    std::vector<std::jthread> threads;
    for (std::size_t q = 0; q < 2; ++q)
        threads.emplace_back([&, q] {
            for (;;) {
                const RecvList list = ctx.queue(q).recv(no_timeout, stop.get_token());
                if (list.outcome() == Outcome::stopped) return;
                counts[q] += static_cast<std::uint32_t>(list.size());
            }
        });
    for (std::uint32_t i = 0; i < frames; ++i)
        world.send(frame_of({"10.0.0.1", static_cast<std::uint16_t>(i), "10.0.0.2", 2}));
    while (counts[0] + counts[1] < frames && ctx.stats().drops.total() == 0) std::this_thread::yield();
    stop.request_stop();
    threads.clear();
    EXPECT_EQ(counts[0] + counts[1], frames);
    EXPECT_GT(counts[0], frames / 3);
    EXPECT_GT(counts[1], frames / 3);
}

TEST_F(RssQueues, ReportEveryVerbThatFailsAndLeaveNothing) {
    FaultyProvider faulty;
    std::vector<std::string> failed;
    for (int nth = 1;; ++nth) {
        faulty.fail(nth, ENOSPC);
        try {
            Context ctx{faulty.device(name), rss_over(2)};
            const Flow flow = ctx.install(FlowRule{}.udp());
            if (faulty.failed_verb.empty()) break;  // some it can do without: a GID
        } catch (const std::system_error& error) {
            failed.push_back(faulty.failed_verb);
        }
        EXPECT_TRUE(faulty.living.empty()) << faulty.failed_verb;
    }
    for (const char* verb : {"create_wq", "modify_wq", "create_rwq_ind_table", "create_qp_ex"})
        EXPECT_NE(std::ranges::find(failed, verb), failed.end()) << verb;
}

TEST_F(RssQueues, NeedADeviceThatHasRss) {
    FaultyProvider faulty;
    verbs::Provider without = *faulty.device(name).provider;
    without.query_device_ex = [](ibv_context* context, const ibv_query_device_ex_input* input,
                                 ibv_device_attr_ex* attr) {
        const int result = soft::provider().query_device_ex(context, input, attr);
        attr->rss_caps = {};
        return result;
    };
    verbs::Device device = faulty.device(name);
    device.provider = &without;
    const auto text = expect_error(EOPNOTSUPP, [&] { Context(device, rss_over(2)); });
    expect_words(text, {"cannot spread over the queues of", "no receive-side scaling"});
    Options datagram = rss_over(2);
    datagram.transport = Transport::datagram;
    expect_words(expect_error(EOPNOTSUPP, [&] { open(datagram); }), {"datagrams are not spread"});
}

}  // namespace
}  // namespace pktverbs::testing
