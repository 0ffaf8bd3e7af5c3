// SPDX-License-Identifier: Apache-2.0
// The memif link to another process that is killed, again and again.
#include <sys/wait.h>
#include <unistd.h>

#include <fcntl.h>
#include <csignal>
#include <cstdlib>

#include "ends.hpp"

namespace pktverbs::testing {
namespace {

constexpr const char* peers_device = "PKTVERBS_TEST_MEMIF_PEER";

/// The peer: sends numbered frames for as long as it lives, one for each that it receives.
TEST(MemifKillPeer, Sends) {
    const char* const device = std::getenv(peers_device);
    if (!device) GTEST_SKIP() << "it is the peer of another test";
    End end{device};
    ASSERT_TRUE(wait_until_up(end.ctx));
    constexpr std::uint32_t window = 50;
    end.send(0, window, 3000);
    for (std::uint32_t number = window;;) {
        const auto count = static_cast<std::uint32_t>(end.ctx.recv(patience).size());
        ASSERT_NE(count, 0U);
        end.send(number, count, 3000);
        number += count;
    }
}

/// This program again, as the peer, until it is killed.
class Peer {
public:
    explicit Peer(const std::string& device) : child_{fork()} {
        if (child_ != 0) return;
        setenv(peers_device, device.c_str(), 1);
        const int null = open("/dev/null", O_RDWR);
        dup2(null, 1);
        execl("/proc/self/exe", "peer", "--gtest_filter=MemifKillPeer.Sends", nullptr);
        _exit(127);
    }
    Peer(const Peer&) = delete;
    Peer& operator=(const Peer&) = delete;
    ~Peer() {
        kill(child_, SIGKILL);
        waitpid(child_, nullptr, 0);
    }

private:
    pid_t child_;
};

struct KilledEnd {
    const char* name;
    const char* device;  ///< with a place for its name
    const char* survivor;
    const char* peer;
};

class MemifKill : public ::testing::TestWithParam<KilledEnd> {};

TEST_P(MemifKill, LeavesASurvivorWithEverythingItWasGiven) {
    const int rounds = std::getenv("PKTVERBS_TEST_LONG") ? 200 : 15;
    const KilledEnd& ends = GetParam();
    const std::string device = fmt::format(fmt::runtime(ends.device), socket_name(ends.name));
    End survivor{device + ends.survivor};
    for (int round = 0; round < rounds; ++round) {
        SCOPED_TRACE(round);
        std::uint32_t next = 0;
        const auto take = [&](std::chrono::nanoseconds timeout) {
            const RecvList list = survivor.ctx.recv(timeout);
            for (const RecvPkt& pkt : list) {
                const Bytes wanted = frame(next++, 3000);
                EXPECT_TRUE(std::ranges::equal(pkt.bytes(), wanted)) << number_of(pkt.bytes());
            }
            return static_cast<std::uint32_t>(list.size());
        };
        {
            const Peer peer{device + ends.peer};
            ASSERT_TRUE(wait_until_up(survivor.ctx));
            const auto wanted = static_cast<std::uint32_t>(100 + 37 * round);
            while (next < wanted) {
                const std::uint32_t count = take(patience);
                ASSERT_NE(count, 0U);
                survivor.send(0, count);
            }
        }
        ASSERT_TRUE(wait_until_down(survivor.ctx));
        while (take(0ns) != 0) {
        }
        if (HasFailure()) break;
    }
    EXPECT_TRUE(survivor.ctx.flush(patience));
    const Stats stats = survivor.ctx.stats();
    EXPECT_EQ(stats.drops.total(), 0U);
    EXPECT_EQ(stats.send_errors, Stats::ByStatus{});
}
INSTANTIATE_TEST_SUITE_P(Roles, MemifKill,
                         ::testing::Values(KilledEnd{"server", "memif:{}", "?role=server", "?reconnect=1ms"},
                                           KilledEnd{"client", "memif:{}", "?reconnect=1ms", "?role=server"},
                                           KilledEnd{"pipe", "pipe:{}", "", ""}),
                         [](const auto& role) { return std::string{role.param.name}; });

}  // namespace
}  // namespace pktverbs::testing
