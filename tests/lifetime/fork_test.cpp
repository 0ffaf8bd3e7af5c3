// SPDX-License-Identifier: Apache-2.0
// Forking: a child that execs or exits does not disturb its parent's contexts, and inherits nothing.
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <thread>

#include <pktverbs/counters/counters.hpp>
#include <pktverbs/verbs/fork.hpp>

#include "descriptors.hpp"
#include "wired.hpp"

namespace pktverbs::testing {
namespace {

using Fork = Receiving;

/// Runs `child`, which must not return, in a child process; returns its exit status.
template <class Child>
int status_of(Child&& child) {
    const pid_t pid = ::fork();
    if (pid == 0) {
        child();
        ::_exit(99);
    }
    int status = -1;
    EXPECT_EQ(::waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

TEST_F(Fork, KeepsNoDescriptorInAProgramThatIsRun) {
    const std::set<int> before = open_descriptors();
    Options options = with_timestamps(with_queues(3));
    Context several = open(options);
    const Flow all = hear(several, 1);
    const Counters counters = several.counters();
    EXPECT_GT(open_descriptors().size(), before.size() + 10);
    EXPECT_EQ(kept_by_exec(before), std::set<int>{});
}

TEST_F(Fork, LosesNoFrameOfTheParents) {
    constexpr std::uint32_t rounds = 20, frames = 8;
    std::thread sender{[this] {
        for (std::uint32_t i = 0; i < rounds; ++i) {
            plant(frames, i * frames);
            // No more than there are packets for.
            while (ctx.stats().recv_packets < std::uint64_t{i + 1} * frames) std::this_thread::yield();
        }
    }};
    std::uint32_t next = 0;
    for (std::uint32_t i = 0; i < rounds; ++i) {
        const bool execs = i % 2 == 0;
        EXPECT_EQ(status_of([execs] {
                      if (execs) ::execl("/bin/true", "true", static_cast<char*>(nullptr));
                      ::_exit(execs ? 98 : 0);
                  }),
                  0);
        for (std::uint32_t got = 0; got < frames;) {
            const RecvList list = ctx.recv(10s);
            ASSERT_FALSE(list.empty());
            for (const RecvPkt& pkt : list) EXPECT_EQ(number_of(pkt.bytes()), next++);
            got += static_cast<std::uint32_t>(list.size());
        }
    }
    sender.join();
    EXPECT_EQ(ctx.stats().drops.total(), 0u);
}

/// The child has no buffers at all: nothing is copied, and no page that a NIC writes to moves.
TEST_F(Fork, TakesNoBuffersAlong) {
    plant();
    const RecvList list = ctx.recv(0ns);
    const std::uint8_t* const bytes = list.front().bytes().data();
    EXPECT_EQ(status_of([bytes] {
                  int ends[2];
                  if (::pipe(ends) != 0) ::_exit(97);
                  // Unmapped memory gives EFAULT and no signal.
                  ::_exit(::write(ends[1], bytes, 1) == -1 && errno == EFAULT ? 0 : 1);
              }),
              0);
}

TEST(PrepareFork, MakesForkingSafe) {
    EXPECT_EQ(status_of([] {
                  verbs::prepare_fork();
                  ::_exit(verbs::fork_is_safe() ? 0 : 1);
              }),
              0);
}

}  // namespace
}  // namespace pktverbs::testing
