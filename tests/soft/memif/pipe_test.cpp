// SPDX-License-Identifier: Apache-2.0
// The pipe: memif between two ends that know nothing but its name.
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <optional>
#include <thread>

#include "ends.hpp"

namespace pktverbs::testing {
namespace {

std::string pipe_name() {
    const auto* info = ::testing::UnitTest::GetInstance()->current_test_info();
    return fmt::format("pipe:{}/{}", getpid(), info->name());
}

void exchange(End& first, End& second) {
    first.send(0, 20, 9000);
    second.expect(0, 20, 9000);
    second.send(100, 20, 9000);
    first.expect(100, 20, 9000);
}

TEST(Pipe, JoinsTwoEnds) {
    End first{pipe_name()};
    End second{pipe_name()};
    EXPECT_EQ(second.ctx.port().state, IBV_PORT_ACTIVE);
    ASSERT_TRUE(wait_until_up(first.ctx));
    exchange(first, second);
}

TEST(Pipe, RefusesAThirdEnd) {
    End first{pipe_name()};
    End second{pipe_name()};
    expect_refusal(EBUSY, "the pipe has two ends already", [] { Context{pipe_name()}; });
    ASSERT_TRUE(wait_until_up(first.ctx));
    exchange(first, second);
}

/// Each end dies in turn: the first listens, the second does not.
TEST(Pipe, GoesOnWithANewEndWhenOneCloses) {
    std::optional<End> ends[2];
    ends[0].emplace(pipe_name());
    ends[1].emplace(pipe_name());
    ASSERT_TRUE(wait_until_up(ends[0]->ctx));
    ASSERT_TRUE(wait_until_up(ends[1]->ctx));
    for (int round = 0; round < 20; ++round) {
        exchange(*ends[0], *ends[1]);
        std::optional<End>& closed = ends[round / 2 % 2];
        std::optional<End>& left = ends[1 - round / 2 % 2];
        closed.reset();
        ASSERT_TRUE(wait_until_down(left->ctx));
        closed.emplace(pipe_name());
        ASSERT_TRUE(wait_until_up(left->ctx));
        ASSERT_TRUE(wait_until_up(closed->ctx));
    }
}

TEST(Pipe, JoinsEndsThatComeAtOnce) {
    for (int round = 0; round < 30; ++round) {
        const std::string name = fmt::format("{}{}", pipe_name(), round);
        std::optional<End> ends[2];
        std::thread other{[&] { ends[1].emplace(name); }};
        ends[0].emplace(name);
        other.join();
        for (auto& end : ends) ASSERT_TRUE(wait_until_up(end->ctx));
        exchange(*ends[0], *ends[1]);
    }
}

TEST(Pipe, MayHaveAPath) {
    std::string folder = (std::filesystem::temp_directory_path() / "pktverbs-pipe-XXXXXX").string();
    ASSERT_NE(mkdtemp(folder.data()), nullptr);
    {
        End first{"pipe:" + folder + "/p"};
        EXPECT_TRUE(std::filesystem::is_socket(folder + "/p"));
        End second{"pipe:" + folder + "/p?queues=2"};
        ASSERT_TRUE(wait_until_up(first.ctx));
        exchange(first, second);
    }
    EXPECT_TRUE(std::filesystem::is_empty(folder));
    std::filesystem::remove(folder);
}

TEST(Pipe, RefusesBadStrings) {
    expect_refusal(EINVAL, "a pipe's name has 92 bytes at most", [] { find_device("pipe:" + std::string(93, 'x')); });
    expect_refusal(EINVAL, "no option of pipe:", [] { find_device("pipe:x?role=server"); });
    find_device("pipe:" + std::string(92, 'x'));
}

}  // namespace
}  // namespace pktverbs::testing
