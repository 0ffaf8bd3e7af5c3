// SPDX-License-Identifier: Apache-2.0
// The memif link with a peer that nobody here wrote: DPDK's.
#include <pktverbs/net/net.hpp>

#include "rounds.hpp"
#include "testpmd.hpp"

namespace pktverbs::testing {
namespace {

const int kill_rounds = short_or_long(3, 20);

struct Role {
    const char* ours;
    const char* theirs;
};

class MemifTestpmd : public ::testing::TestWithParam<Role> {
protected:
    void SetUp() override {
        if (!Testpmd::path()) GTEST_SKIP() << "dpdk-testpmd (package dpdk-dev) is not installed";
        if (GetParam().ours != std::string{"server"}) return;
        ours.emplace(device());
    }

    std::string device(const std::string& keys = {}) const {
        return fmt::format("memif:{}?role={}{}{}", socket, GetParam().ours,
                           GetParam().ours == std::string{"client"} ? "&reconnect=5ms" : "", keys);
    }
    std::string peer(const std::string& keys = {}) const {
        return fmt::format("role={},id=0{}", GetParam().theirs, keys);
    }
    End& end() {
        if (!ours) ours.emplace(device());
        return *ours;
    }

    const std::string socket = socket_name();
    std::optional<End> ours;
};

TEST_P(MemifTestpmd, TakesEveryFrame) {
    Testpmd testpmd{socket, peer()};
    testpmd.command("set fwd rxonly");
    testpmd.command("start");
    ASSERT_TRUE(wait_until_up(end().ctx));
    const auto seen = soft::link_peer(end().ctx.raw());
    EXPECT_EQ(seen->program.substr(0, 5), "DPDK ") << seen->program;
    EXPECT_EQ(seen->interface, "net_memif0");
    EXPECT_EQ(seen->ring_slots, 1024U);
    end().send(0, 20'000);
    ASSERT_TRUE(end().ctx.flush(patience));  // what the full ring did not take at once
    // It polls: what was put in the ring is counted soon.
    std::uint64_t received = 0;
    for (int i = 0; i < 1000 && received != 20'000; ++i) received = testpmd.count("RX-packets");
    EXPECT_EQ(received, 20'000U);
    EXPECT_EQ(testpmd.count("RX-bytes"), 20'000U * 64);
    EXPECT_EQ(end().ctx.stats().drops.unsent, 0U);
}

TEST_P(MemifTestpmd, SendsFramesThatAllArrive) {
    Testpmd testpmd{socket, peer()};
    testpmd.command("set fwd txonly");
    ASSERT_TRUE(wait_until_up(end().ctx));
    testpmd.put("start");
    std::uint64_t received = 0;
    while (received < 50'000) {
        const RecvList list = end().ctx.recv(patience);
        ASSERT_FALSE(list.empty());
        received += list.size();
    }
    testpmd.read_until_prompt();
    testpmd.put("stop");
    while (!testpmd.is_ready()) received += end().ctx.recv(std::chrono::milliseconds{1}).size();
    testpmd.read_until_prompt();
    for (RecvList list = end().ctx.recv(0ns); !list.empty(); list = end().ctx.recv(0ns)) received += list.size();
    EXPECT_EQ(received + end().ctx.stats().drops.total(), testpmd.count("TX-packets"));
    EXPECT_EQ(end().ctx.stats().drops.link, 0U);
}

TEST_P(MemifTestpmd, EchoesFramesOfEveryLength) {
    Testpmd testpmd{socket, peer()};
    testpmd.command("set fwd io");
    testpmd.command("start");
    ASSERT_TRUE(wait_until_up(end().ctx));
    for (const std::size_t bytes : {60U, 1500U, 2048U, 2049U, 5000U, 9014U}) {
        SCOPED_TRACE(bytes);
        for (std::uint32_t first = 0; first < 500; first += 50) {
            ASSERT_NO_FATAL_FAILURE(end().send(first, 50, bytes));
            ASSERT_NO_FATAL_FAILURE(end().expect(first, 50, bytes));
        }
    }
}

TEST_P(MemifTestpmd, SwapsMacAddresses) {
    Testpmd testpmd{socket, peer()};
    testpmd.command("set fwd macswap");
    testpmd.command("start");
    ASSERT_TRUE(wait_until_up(end().ctx));
    end().send(0, 20);
    for (std::uint32_t received = 0; received < 20;) {
        const RecvList list = end().ctx.recv(patience);
        ASSERT_FALSE(list.empty());
        for (const RecvPkt& pkt : list) {
            Bytes wanted = frame(received++, 64);
            std::swap_ranges(wanted.begin(), wanted.begin() + MacAddress::size, wanted.begin() + MacAddress::size);
            ASSERT_TRUE(std::ranges::equal(pkt.bytes(), wanted));
        }
    }
}

TEST_P(MemifTestpmd, AnswersPings) {
    Testpmd testpmd{socket, peer()};
    testpmd.command("set fwd icmpecho");
    testpmd.command("start");
    ASSERT_TRUE(wait_until_up(end().ctx));
    const MacAddress mac = end().ctx.mac();
    const Ipv4Address ours{"192.0.2.1"};
    const Ipv4Address theirs{"192.0.2.2"};
    const net::FrameTemplate request{net::Ethernet{.dst = MacAddress{"02:00:00:00:00:02"}, .src = mac},
                                     net::Ipv4{.src = ours, .dst = theirs}, net::Echo{.identifier = 7}};
    SendList list = end().ctx.acquire(20, patience);
    ASSERT_EQ(list.size(), 20U);
    std::uint16_t sequence = 0;
    for (SendPkt& pkt : list) pkt.set_length(request.write(pkt.buffer(), 56, {.sequence = sequence++}));
    ASSERT_TRUE(end().ctx.send(std::move(list)).empty());
    for (sequence = 0; sequence < 20;) {
        const RecvList replies = end().ctx.recv(patience);
        ASSERT_FALSE(replies.empty());
        for (const RecvPkt& pkt : replies) {
            const net::Headers reply{pkt.bytes()};
            ASSERT_TRUE(reply.icmp());
            EXPECT_EQ(reply.ethernet().dst(), mac);
            EXPECT_EQ(reply.ipv4().src(), theirs);
            EXPECT_TRUE(reply.icmp().is_echo_reply());
            EXPECT_EQ(reply.icmp().sequence(), sequence++);
        }
    }
}

TEST_P(MemifTestpmd, HasTwoQueues) {
    ours.reset();
    Options options = frames_of_9000;
    options.queues = 2;
    if (GetParam().ours == std::string{"server"}) ours.emplace(device("&queues=2"), options);
    Testpmd testpmd{socket, peer(), {"--rxq=2", "--txq=2", "--nb-cores=1"}};
    if (!ours) ours.emplace(device("&queues=2"), options);
    testpmd.command("set fwd io");
    testpmd.command("start");
    ASSERT_TRUE(wait_until_up(end().ctx));
    for (std::size_t i = 0; i < 2; ++i) {
        Queue& queue = end().ctx.queue(i);
        ASSERT_TRUE(queue.send(filled(queue.acquire(40, patience), static_cast<std::uint32_t>(1000 * i))).empty());
    }
    Numbers all;
    while (all.size() < 80) {
        const RecvList list = end().ctx.recv(patience);
        ASSERT_FALSE(list.empty());
        for (const std::uint32_t number : numbers(list)) all.push_back(number);
    }
    std::ranges::stable_sort(all, {}, [](std::uint32_t number) { return number / 1000; });
    for (std::uint32_t i = 0; i < 80; ++i) EXPECT_EQ(all[i], i / 40 * 1000 + i % 40);
    const std::string text = testpmd.command("show fwd stats all");
    EXPECT_NE(text.find("RX Port= 0/Queue= 0"), std::string::npos) << text;
    EXPECT_NE(text.find("RX Port= 0/Queue= 1"), std::string::npos) << text;
}

TEST_P(MemifTestpmd, KnowsTheSecret) {
    ours.reset();
    if (GetParam().ours == std::string{"server"}) ours.emplace(device("&secret=sesame"));
    Testpmd testpmd{socket, peer(",secret=sesame")};
    testpmd.command("set fwd io");
    testpmd.command("start");
    if (!ours) {
        Context wrong{device("&secret=wrong")};
        EXPECT_NE(wrong.port().state, IBV_PORT_ACTIVE);
        EXPECT_EQ(soft::link_peer(wrong.raw())->last_end, "Incorrect secret");
        ours.emplace(device("&secret=sesame"));
    }
    ASSERT_TRUE(wait_until_up(end().ctx));
    end().send(0, 10);
    end().expect(0, 10);
}

TEST_P(MemifTestpmd, IsKilledAndComesAgain) {
    for (int round = 0; round < kill_rounds; ++round) {
        SCOPED_TRACE(round);
        Testpmd testpmd{socket, peer()};
        testpmd.command("set fwd io");
        testpmd.command("start");
        ASSERT_TRUE(wait_until_up(end().ctx));
        ASSERT_NO_FATAL_FAILURE(end().send(0, 100));
        ASSERT_NO_FATAL_FAILURE(end().expect(0, 100));
        testpmd.kill();
        ASSERT_TRUE(wait_until_down(end().ctx));
    }
    EXPECT_EQ(end().ctx.stats().drops.unsent, 0U);
}

TEST_P(MemifTestpmd, IsLeftAndJoinedAgain) {
    Testpmd testpmd{socket, peer()};
    testpmd.command("set fwd io");
    for (int round = 0; round < kill_rounds; ++round) {
        SCOPED_TRACE(round);
        end();
        // A client connects when its port is started (memif_dev_start() in drivers/net/memif/rte_eth_memif.c).
        if (round != 0 && GetParam().ours == std::string{"server"})
            for (const char* command : {"port stop 0", "port start 0"}) testpmd.command(command);
        testpmd.command("start");
        ASSERT_TRUE(wait_until_up(end().ctx));
        ASSERT_NO_FATAL_FAILURE(end().send(0, 100));
        ASSERT_NO_FATAL_FAILURE(end().expect(0, 100));
        // It unmaps the memory when the other end leaves, whether its threads use it or not (memif_disconnect() in
        // drivers/net/memif/memif_socket.c).
        testpmd.command("stop");
        ours.reset();
    }
}

INSTANTIATE_TEST_SUITE_P(Roles, MemifTestpmd, ::testing::Values(Role{"server", "client"}, Role{"client", "server"}),
                         [](const auto& role) { return std::string{role.param.theirs}; });

}  // namespace
}  // namespace pktverbs::testing
