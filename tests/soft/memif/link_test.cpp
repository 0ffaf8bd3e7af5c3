// SPDX-License-Identifier: Apache-2.0
// The memif link: two Contexts of one process, server and client, and frames between them.
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cstddef>
#include <optional>
#include <thread>

#include "ends.hpp"

namespace pktverbs::testing {
namespace {

TEST(MemifLink, IsUpWhenAClientIsOpenedWithItsServerThere) {
    const std::string socket = socket_name();
    End server{"memif:" + socket + "?role=server"};
    EXPECT_NE(server.ctx.port().state, IBV_PORT_ACTIVE);
    End client{"memif:" + socket};
    EXPECT_EQ(client.ctx.port().state, IBV_PORT_ACTIVE);
}

TEST(MemifLink, CarriesFramesOverBuffersOfOddSizes) {
    Ends ends{socket_name(), "&size=100&ring=11"};
    for (const std::size_t bytes : {60U, 100U, 101U, 200U, 1514U, 9014U}) {
        ends.client.send(0, 10, bytes);
        ends.server.expect(0, 10, bytes);
        ends.server.send(500, 10, bytes);
        ends.client.expect(500, 10, bytes);
    }
}

/// 70,000 frames: the indexes wrap at 65,536.
TEST(MemifLink, GoesOnWhereIndexesWrap) {
    Ends ends{socket_name(), "&ring=5"};
    for (std::uint32_t round = 0; round < 7000; ++round) {
        ends.client.send(round * 10, 10);
        ASSERT_NO_FATAL_FAILURE(ends.server.expect(round * 10, 10));
        ends.server.send(round * 10, 10);
        ASSERT_NO_FATAL_FAILURE(ends.client.expect(round * 10, 10));
    }
}

/// Chains of 5 of 8 slots, in every place.
TEST(MemifLink, GoesOnWhereChainsWrap) {
    Ends ends{socket_name(), "&ring=3"};
    for (std::uint32_t round = 0; round < 14'000; ++round) {
        ends.client.send(round, 1, 9000);
        ASSERT_NO_FATAL_FAILURE(ends.server.expect(round, 1, 9000));
        ends.server.send(round, 1, 9000);
        ASSERT_NO_FATAL_FAILURE(ends.client.expect(round, 1, 9000));
    }
}

TEST(MemifLink, LosesNothingWhenARingIsFull) {
    for (const bool to_server : {true, false}) {
        SCOPED_TRACE(to_server);
        Ends ends{socket_name(to_server ? "a" : "b"), "&ring=2"};
        End& from = to_server ? ends.client : ends.server;
        End& to = to_server ? ends.server : ends.client;
        std::thread receiver{[&] { to.expect(0, 5000, 3000); }};
        from.send(0, 5000, 3000);
        EXPECT_TRUE(from.ctx.flush(patience));
        receiver.join();
        EXPECT_EQ(from.ctx.stats().drops.unsent, 0U);
        EXPECT_EQ(to.ctx.stats().drops.total(), 0U);
    }
}

TEST(MemifLink, DropsFramesThatNoRingHolds) {
    Ends ends{socket_name(), "&ring=1"};
    for (End* end : {&ends.client, &ends.server}) {
        end->send(0, 1, 9000);
        EXPECT_TRUE(end->ctx.flush(patience));
        EXPECT_EQ(end->ctx.stats().drops.unsent, 1U);
    }
    ends.client.send(1, 1, 4096);
    ends.server.expect(1, 1, 4096);
}

TEST(MemifLink, DropsFramesThatAreLongerThanItsMtu) {
    Ends ends{socket_name(), {}, "&mtu=1500"};
    ends.client.send(0, 3, 2000);
    ends.client.send(3, 1, 1514);
    ends.server.expect(3, 1, 1514);
    EXPECT_EQ(ends.server.ctx.stats().drops.link, 3U);
}

#if !PKTVERBS_SANITIZED
/// Ends the calling thread at every system call but exit(2).
void forbid_system_calls() {
    sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_exit, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_THREAD),
    };
    const sock_fprog program{4, filter};
    ASSERT_EQ(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
    ASSERT_EQ(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program), 0);
}

TEST(MemifLink, PollsSendsAndReceivesWithoutSystemCalls) {
    Ends ends{socket_name()};
    ends.server.send(0, 10);
    std::atomic<std::size_t> received{0};
    std::atomic<bool> done{false};
    std::thread polling{[&] {
        forbid_system_calls();
        for (int i = 0; i < 1000; ++i) received += ends.client.ctx.recv(0ns).size();
        SendList list = ends.client.ctx.acquire(10);
        for (SendPkt& pkt : list) pkt.set_length(64);
        ends.client.ctx.send(std::move(list));
        done = true;
        syscall(SYS_exit, 0);
    }};
    polling.join();
    EXPECT_EQ(received, 10U);
    EXPECT_TRUE(done) << "a system call ended the thread";
}
#endif

TEST(MemifLink, IsRefusedWithAWrongSecret) {
    const std::string socket = socket_name();
    End server{"memif:" + socket + "?role=server&secret=sesame"};
    for (const char* secret : {"", "&secret=open"}) {
        Context client{"memif:" + socket + "?reconnect=3600s" + secret};
        EXPECT_NE(client.port().state, IBV_PORT_ACTIVE) << secret;
        EXPECT_EQ(soft::link_peer(client.raw())->last_end, "wrong secret for id 0");
        EXPECT_EQ(soft::link_peer(server.ctx.raw())->last_end, "wrong secret for id 0");
    }
    End client{"memif:" + socket + "?secret=sesame"};
    EXPECT_EQ(client.ctx.port().state, IBV_PORT_ACTIVE);
    client.send(0, 1);
    server.expect(0, 1);
}

TEST(MemifLink, TellsWhoItsPeerIs) {
    const std::string socket = socket_name();
    End server{"memif:" + socket + "?role=server&queues=4&id=7"};
    EXPECT_FALSE(soft::link_peer(server.ctx.raw())->connected);
    {
        End client{"memif:" + socket + "?id=7&queues=3&ring=5&loss=0.5"};
        const auto seen = soft::link_peer(client.ctx.raw());
        ASSERT_TRUE(seen);
        EXPECT_TRUE(seen->connected);
        EXPECT_FALSE(seen->is_client);
        EXPECT_EQ(seen->program, "pktverbs");
        EXPECT_EQ(seen->interface, "memif/7");
        EXPECT_EQ(seen->last_end, "");
        ASSERT_TRUE(wait_until_up(server.ctx));
        const auto client_seen = soft::link_peer(server.ctx.raw());
        EXPECT_TRUE(client_seen->connected);
        EXPECT_TRUE(client_seen->is_client);
        EXPECT_EQ(client_seen->id, 7U);
        EXPECT_EQ(client_seen->send_rings, 3U);
        EXPECT_EQ(client_seen->recv_rings, 3U);
        EXPECT_EQ(client_seen->ring_slots, 32U);
    }
    ASSERT_TRUE(wait_until_down(server.ctx));
    const auto gone = soft::link_peer(server.ctx.raw());
    EXPECT_FALSE(gone->connected);
    EXPECT_EQ(gone->ring_slots, 32U);
    EXPECT_EQ(gone->last_end, "the interface is closed");
}

TEST(LinkPeer, IsOfLinksThatHaveOne) {
    Context wire{"wire:link_peer"};
    EXPECT_FALSE(soft::link_peer(wire.raw()));
    EXPECT_FALSE(soft::link_peer(nullptr));
    const ibv_context another{};
    EXPECT_FALSE(soft::link_peer(&another));
}

TEST(MemifLink, SharesASocketByIds) {
    const std::string socket = socket_name();
    End first{"memif:" + socket + "?role=server&id=1"};
    End second{"memif:" + socket + "?role=server&id=4294967295"};
    End to_second{"memif:" + socket + "?id=4294967295"};
    End to_first{"memif:" + socket + "?id=1"};
    const Context to_nobody{"memif:" + socket + "?id=2&reconnect=3600s"};
    EXPECT_NE(to_nobody.port().state, IBV_PORT_ACTIVE);
    to_first.send(1, 1);
    to_second.send(2, 1);
    first.expect(1, 1);
    second.expect(2, 1);
    expect_refusal(EBUSY, "another device serves that id", [&] { Context{"memif:" + socket + "?role=server&id=1"}; });
}

TEST(MemifLink, ComesUpAgainWithANewServer) {
    const std::string socket = socket_name();
    std::optional<End> server{"memif:" + socket + "?role=server"};
    End client{"memif:" + socket + "?reconnect=1ms"};
    ASSERT_TRUE(wait_until_up(client.ctx));
    for (std::uint32_t round = 0; round < 20; ++round) {
        client.send(round, 1);
        server->expect(round, 1);
        server.reset();
        ASSERT_TRUE(wait_until_down(client.ctx));
        server.emplace("memif:" + socket + "?role=server");
        ASSERT_TRUE(wait_until_up(client.ctx));
    }
    EXPECT_EQ(client.ctx.stats().drops.unsent, 0U);
}

TEST(MemifLink, ComesUpAgainWithANewClient) {
    const std::string socket = socket_name();
    End server{"memif:" + socket + "?role=server"};
    for (std::uint32_t round = 0; round < 20; ++round) {
        std::optional<End> client{"memif:" + socket};
        ASSERT_TRUE(wait_until_up(server.ctx));
        server.send(round, 1);
        client->expect(round, 1);
        client->send(round, 1);
        server.expect(round, 1);
        client.reset();
        ASSERT_TRUE(wait_until_down(server.ctx));
    }
}

/// Everything that was given to a peer is received, or counted by the side that gave it.
TEST(MemifLink, AccountsForEveryFrameWhenAnEndCloses) {
    const std::string socket = socket_name();
    End server{"memif:" + socket + "?role=server"};
    std::uint64_t sent = 0;
    std::uint64_t received = 0;
    for (std::uint32_t round = 0; round < 20; ++round) {
        Context client{"memif:" + socket + "?ring=6", frames_of_9000};
        ASSERT_TRUE(wait_until_up(server.ctx));
        server.send(0, 20);
        SendList list = client.acquire(30, patience);
        ASSERT_TRUE(client.send(filled(std::move(list), round * 100)).empty());
        // Without a rule, its NIC only counts them.
        while (client.stats().drops.unmatched < 20) EXPECT_TRUE(client.recv(0ns).empty());
        server.send(20, 20);
        sent += 40;
        received += client.stats().drops.unmatched;
        client.close();
        server.expect(round * 100, 30);
        ASSERT_TRUE(wait_until_down(server.ctx));
    }
    const Stats stats = server.ctx.stats();
    EXPECT_EQ(stats.drops.unsent + received, sent);
    EXPECT_GT(stats.drops.unsent, 0U);
    EXPECT_EQ(stats.drops.total(), 0U);
}

TEST(MemifLink, CountsFramesWithoutAPeerAsUnsent) {
    End server{"memif:" + socket_name() + "?role=server"};
    server.send(0, 200);
    EXPECT_TRUE(server.ctx.flush(patience));
    EXPECT_EQ(server.ctx.stats().drops.unsent, 200U);
}

TEST(MemifLink, CarriesPacketsWithoutHeadersInIpMode) {
    Ends ends{socket_name(), "&mode=ip", "&mode=ip"};
    const auto send = [](End& end, std::uint16_t type, std::uint8_t first, std::uint32_t number) {
        SendList list = end.ctx.acquire(1, patience);
        for (SendPkt& pkt : list) {
            fill(pkt, number, 3000);
            pkt.buffer()[12] = static_cast<std::uint8_t>(type >> 8);
            pkt.buffer()[13] = static_cast<std::uint8_t>(type);
            pkt.buffer()[14] = first;
        }
        ASSERT_TRUE(end.ctx.send(std::move(list)).empty());
    };
    for (End* from : {&ends.client, &ends.server}) {
        End& to = from == &ends.client ? ends.server : ends.client;
        send(*from, 0x0800, 0x45, 1);
        send(*from, 0x88b5, 0x45, 2);
        send(*from, 0x86dd, 0x60, 3);
        std::vector<int> types;
        while (types.size() < 2) {
            const RecvList list = to.ctx.recv(patience);
            ASSERT_FALSE(list.empty());
            for (const RecvPkt& pkt : list) {
                types.push_back(pkt.bytes()[12] << 8 | pkt.bytes()[13]);
                EXPECT_EQ(pkt.bytes().size(), 3000U);
                EXPECT_EQ(pkt.bytes()[2999], 0xee);
                EXPECT_TRUE(std::ranges::equal(pkt.bytes().first(6), to.ctx.mac().bytes()));
            }
        }
        EXPECT_EQ(types, (std::vector{0x0800, 0x86dd}));
        EXPECT_EQ(from->ctx.stats().drops.unsent, 1U);
    }
}

TEST(MemifLink, IsRefusedInAnotherMode) {
    const std::string socket = socket_name();
    const Context server{"memif:" + socket + "?role=server&mode=ip"};
    const Context client{"memif:" + socket + "?reconnect=3600s"};
    EXPECT_NE(client.port().state, IBV_PORT_ACTIVE);
}

TEST(MemifLink, RefusesKeysOutOfTheirRanges) {
    const auto refuse = [](const std::string& text, const std::string& reason) {
        expect_refusal(EINVAL, reason, [&] { find_device("memif:" + text); });
    };
    refuse("", "there is no name");
    refuse("@", "a name behind the @");
    refuse(std::string(108, 'x'), "107 bytes at most");
    refuse("s?role=master", "role is \"client\" or \"server\", not \"master\"");
    refuse("s?mode=punt", "mode is \"ethernet\" or \"ip\"");
    refuse("s?id=4294967296", "the id \"4294967296\"");
    refuse("s?queues=0", "from 1 to 64");
    refuse("s?queues=65", "from 1 to 64");
    refuse("s?size=63", "from 64 to 65536");
    refuse("s?ring=15", "from 1 to 14");
    refuse("s?ring=0", "from 1 to 14");
    refuse("s?secret=" + std::string(24, 'x'), "23 bytes at most");
    for (const char* time : {"0s", "1", "-1s", "1us", "3601s"})
        refuse(std::string{"s?reconnect="} + time, "for reconnecting");
    refuse("s?ring=14&size=65536&queues=4", "offsets have 32 bits");
    for (const char* key : {"ring=4", "size=64", "reconnect=1s"})
        refuse(std::string{"s?role=server&"} + key, "is a client's");
}

}  // namespace
}  // namespace pktverbs::testing
