// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "block_writer.hpp"
#include "expect_error.hpp"
#include "temporary_folder.hpp"

using capture::BlockWriter;
using capture::Write;
using capture::WriterOptions;
using capture::test::contents;
using capture::test::TemporaryFolder;

namespace {

constexpr std::size_t unit = BlockWriter::alignment;

/// Aligned memory in which every 4 bytes differ.
class Pattern {
public:
    explicit Pattern(std::size_t bytes)
        : memory_{static_cast<std::uint8_t*>(std::aligned_alloc(unit, bytes)), &std::free}, bytes_{bytes} {
        for (std::size_t at = 0; at < bytes; ++at)
            memory_.get()[at] = static_cast<std::uint8_t>(at / 4 >> 8 * (at % 4));
    }
    std::span<const std::uint8_t> part(std::size_t from, std::size_t count) const {
        return {memory_.get() + from, count};
    }
    std::vector<std::uint8_t> first(std::size_t count) const { return {memory_.get(), memory_.get() + count}; }
    std::size_t size() const noexcept { return bytes_; }

private:
    std::unique_ptr<std::uint8_t, decltype(&std::free)> memory_;
    std::size_t bytes_;
};

/// Decides each write's result, and returns the latest one first.
class ScriptedQueue : public capture::WriteQueue {
public:
    using Answer = std::function<std::int64_t(int file, const Write&)>;
    explicit ScriptedQueue(Answer answer) : answer_{std::move(answer)} {}

    void submit(int file, Write& write) override {
        files_.emplace_back(file);
        underway_.push_back(&write);
    }
    Write* take_done(bool wait) override {
        if (underway_.empty() || !wait) return nullptr;
        Write* last = underway_.back();
        last->result = answer_(files_.back(), *last);
        underway_.pop_back();
        files_.pop_back();
        return last;
    }

private:
    Answer answer_;
    std::vector<Write*> underway_;
    std::vector<int> files_;
};

std::int64_t really(int file, const Write& write, std::size_t most = SIZE_MAX) {
    return ::pwrite(file, write.data, std::min(write.bytes, most), static_cast<off_t>(write.offset));
}

BlockWriter scripted(const std::string& path, ScriptedQueue::Answer answer, bool direct = false) {
    return {path,
            {.direct = direct, .uring = false, .writes_in_flight = 4},
            std::make_unique<ScriptedQueue>(std::move(answer))};
}

void write_all(BlockWriter& writer, const Pattern& pattern, std::size_t piece_bytes) {
    for (std::size_t at = 0; at < pattern.size(); at += piece_bytes) writer.write(pattern.part(at, piece_bytes));
}

class BlockWriterWays : public testing::TestWithParam<WriterOptions> {};

}  // namespace

TEST_P(BlockWriterWays, WritesEverythingInOrder) {
    const TemporaryFolder folder;
    const Pattern pattern{24 * 4 * unit};
    BlockWriter writer{folder / "file", GetParam()};
    write_all(writer, pattern, 4 * unit);
    EXPECT_EQ(writer.queued(), 24u);
    EXPECT_GE(writer.completed(), 24 - GetParam().writes_in_flight);
    writer.finish(pattern.size() - 100);
    EXPECT_EQ(writer.completed(), 24u);
    EXPECT_EQ(writer.written_bytes(), pattern.size());
    EXPECT_EQ(writer.error(), 0);
    EXPECT_EQ(contents(folder / "file"), pattern.first(pattern.size() - 100));
}

INSTANTIATE_TEST_SUITE_P(, BlockWriterWays,
                         testing::Values(WriterOptions{.direct = false, .uring = false, .writes_in_flight = 1},
                                         WriterOptions{.direct = true, .uring = false, .writes_in_flight = 3},
                                         WriterOptions{.direct = false, .uring = true, .writes_in_flight = 8},
                                         WriterOptions{.direct = true, .uring = true, .writes_in_flight = 8}),
                         [](const auto& way) {
                             return std::string{way.param.direct ? "Direct" : "Cached"} +
                                    (way.param.uring ? "Uring" : "Pwrite");
                         });

TEST(BlockWriter, EmptiesAFileThatIsThere) {
    const TemporaryFolder folder;
    const Pattern pattern{2 * unit};
    for (const std::size_t bytes : {2 * unit, unit}) {
        BlockWriter writer{folder / "file", {}};
        writer.write(pattern.part(0, bytes));
        writer.finish(bytes);
    }
    EXPECT_EQ(contents(folder / "file"), pattern.first(unit));
}

TEST(BlockWriter, LeavesWhatIsThereUntilTheNewFileIsWhole) {
    const TemporaryFolder folder;
    const Pattern pattern{2 * unit};
    const auto path = folder / "file";
    std::ofstream{path} << "old";
    {
        BlockWriter writer{path, {}};
        writer.write(pattern.part(0, unit));
        writer.wait(0);
        EXPECT_EQ(contents(path).size(), 3u);
        EXPECT_EQ(folder.files(), 2);
    }
    EXPECT_EQ(contents(path).size(), 3u) << "it never was finished";
    EXPECT_EQ(folder.files(), 1);
    BlockWriter writer{path, {}};
    writer.write(pattern.part(0, unit));
    writer.finish(unit);
    EXPECT_EQ(contents(path), pattern.first(unit));
    EXPECT_EQ(folder.files(), 1);
}

TEST(BlockWriter, LeavesWhatIsThereWhenNothingCanBeWritten) {
    const TemporaryFolder folder;
    const Pattern pattern{unit};
    const auto path = folder / "file";
    std::ofstream{path} << "old";
    auto writer = scripted(path, [](int, const Write&) { return std::int64_t{-ENOSPC}; });
    writer.write(pattern.part(0, unit));
    writer.finish(0);
    EXPECT_EQ(contents(path).size(), 3u);
    EXPECT_EQ(folder.files(), 1);
}

TEST(BlockWriter, MakesFilesForTheirOwnerOnly) {
    const TemporaryFolder folder;
    const Pattern pattern{unit};
    const auto path = folder / "file";
    std::ofstream{path} << "readable by all";
    std::filesystem::permissions(path, std::filesystem::perms{0666});
    const auto old_mask = umask(0);
    BlockWriter writer{path, {}};
    writer.write(pattern.part(0, unit));
    writer.finish(unit);
    umask(old_mask);
    EXPECT_EQ(std::filesystem::status(path).permissions(), std::filesystem::perms{0600});
}

TEST(BlockWriter, WritesWhatALinkLeadsTo) {
    const TemporaryFolder folder;
    const Pattern pattern{unit};
    std::ofstream{folder / "file"} << "old";
    std::filesystem::create_symlink("file", folder / "link");
    BlockWriter writer{folder / "link", {}};
    writer.write(pattern.part(0, unit));
    writer.finish(unit);
    EXPECT_TRUE(std::filesystem::is_symlink(folder / "link"));
    EXPECT_EQ(contents(folder / "file"), pattern.first(unit));
}

TEST(BlockWriter, SaysWhereItIsWhatCannotBePutInItsPlace) {
    const TemporaryFolder folder;
    const Pattern pattern{unit};
    const auto path = folder / "file";
    BlockWriter writer{path, {}};
    writer.write(pattern.part(0, unit));
    std::filesystem::create_directory(path);
    const auto text = pktverbs::testing::expect_error(EISDIR, [&] { writer.finish(unit); });
    const auto begin = text.find("(what was written is in ");
    ASSERT_NE(begin, std::string::npos) << text;
    const auto name = text.substr(begin + 24, text.find(')') - begin - 24);
    EXPECT_EQ(contents(name), pattern.first(unit));
}

TEST(BlockWriter, RefusesAFolder) {
    const TemporaryFolder folder;
    pktverbs::testing::expect_error(EISDIR, [&] { BlockWriter{folder / ".", {}}; });
    EXPECT_EQ(folder.files(), 0);
}

TEST(BlockWriter, CountsInOrderWhatEndsOutOfOrder) {
    const TemporaryFolder folder;
    const Pattern pattern{4 * unit};
    auto writer = scripted(folder / "file", [](int file, const Write& write) { return really(file, write); });
    write_all(writer, pattern, unit);
    EXPECT_EQ(writer.completed(), 0u);
    writer.wait(3);  // the fourth is done first, and so counts last
    EXPECT_EQ(writer.completed(), 4u);
    writer.finish(pattern.size());
    EXPECT_EQ(contents(folder / "file"), pattern.first(pattern.size()));
}

TEST(BlockWriter, GoesOnAfterShortAndInterruptedWrites) {
    const TemporaryFolder folder;
    const Pattern pattern{8 * unit};
    int calls = 0;
    auto writer = scripted(folder / "file", [&](int file, const Write& write) -> std::int64_t {
        if (++calls % 3 == 0) return calls % 2 == 0 ? -EINTR : -EAGAIN;
        return really(file, write, 1000);
    });
    write_all(writer, pattern, 2 * unit);
    writer.finish(pattern.size());
    EXPECT_EQ(writer.error(), 0);
    EXPECT_EQ(contents(folder / "file"), pattern.first(pattern.size()));
}

TEST(BlockWriter, StaysAlignedAfterAShortDirectWrite) {
    const TemporaryFolder folder;
    const Pattern pattern{8 * unit};
    std::vector<std::uint64_t> offsets;
    auto writer = scripted(
        folder / "file",
        [&](int file, const Write& write) {
            EXPECT_EQ(write.offset % unit + write.bytes % unit, 0u);
            offsets.push_back(write.offset);
            const auto written = really(file, write);
            return std::min<std::int64_t>(written, 2 * unit + 100);  // reports a short write, as if there were no more
        },
        true);
    ASSERT_TRUE(writer.how().starts_with("O_DIRECT")) << writer.how();
    writer.write(pattern.part(0, pattern.size()));
    writer.finish(pattern.size());
    EXPECT_EQ(offsets, (std::vector<std::uint64_t>{0, 2 * unit, 4 * unit, 6 * unit}));
    EXPECT_EQ(contents(folder / "file"), pattern.first(pattern.size()));
}

TEST(BlockWriter, GoesWithoutDirectWhereWritingRefusesIt) {
    const TemporaryFolder folder;
    const Pattern pattern{4 * unit};
    auto writer = scripted(
        folder / "file",
        [&](int file, const Write& write) -> std::int64_t {
            return (::fcntl(file, F_GETFL) & O_DIRECT) != 0 ? -EINVAL : really(file, write);
        },
        true);
    write_all(writer, pattern, unit);
    writer.finish(pattern.size());
    EXPECT_EQ(writer.error(), 0);
    EXPECT_EQ(writer.how(), "page cache (the file system refused it), pwrite");
    EXPECT_EQ(contents(folder / "file"), pattern.first(pattern.size()));
}

TEST(BlockWriter, EndsTheFileAtTheFirstFailure) {
    const TemporaryFolder folder;
    const Pattern pattern{8 * unit};
    auto writer = scripted(folder / "file", [](int file, const Write& write) -> std::int64_t {
        if (write.offset == 2 * unit) return really(file, write, 1000);
        if (write.offset == 2 * unit + 1000) return -ENOSPC;
        return really(file, write);
    });
    write_all(writer, pattern, unit);
    writer.wait(0);
    EXPECT_EQ(writer.error(), ENOSPC);
    EXPECT_EQ(writer.completed(), 8u) << "what is never written must not be waited for";
    EXPECT_EQ(writer.written_bytes(), 2 * unit + 1000);
    writer.finish(writer.written_bytes());
    EXPECT_EQ(contents(folder / "file"), pattern.first(2 * unit + 1000));
}

TEST(BlockWriter, TakesNothingWrittenForAFailure) {
    const TemporaryFolder folder;
    const Pattern pattern{unit};
    auto writer = scripted(folder / "file", [](int, const Write&) { return std::int64_t{0}; });
    writer.write(pattern.part(0, unit));
    writer.wait(0);
    EXPECT_EQ(writer.error(), EIO);
}

TEST(BlockWriter, SaysWhichFileItCannotMake) {
    const auto text = pktverbs::testing::expect_error(ENOENT, [] { BlockWriter{"/nonexistent/file", {}}; });
    pktverbs::testing::expect_words(text, {"cannot write /nonexistent/file"});
}

TEST(BlockWriter, WritesToADevice) {
    const Pattern pattern{unit};
    BlockWriter writer{"/dev/null", {}};
    writer.write(pattern.part(0, unit));
    writer.finish(unit);
    EXPECT_EQ(writer.error(), 0);
}

#ifdef PKTVERBS_LIBURING
// As in containers whose rules forbid io_uring. In a child, because a filter can't be removed.
TEST(BlockWriter, WritesWithoutIoUringWhereTheKernelForbidsIt) {
    const TemporaryFolder folder;
    const Pattern pattern{4 * unit};
    const auto child = fork();
    if (child == 0) {
        sock_filter code[] = {
            BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
            BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_io_uring_setup, 0, 1),
            BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
            BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
        };
        const sock_fprog filter{.len = static_cast<unsigned short>(std::size(code)), .filter = code};
        if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) != 0)
            _exit(1);
        BlockWriter writer{folder / "file", {.direct = false}};
        write_all(writer, pattern, unit);
        writer.finish(pattern.size());
        _exit(writer.how() == "page cache, pwrite (no io_uring: Operation not permitted)" ? 0 : 2);
    }
    int status = 0;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    EXPECT_EQ(WEXITSTATUS(status), 0);
    EXPECT_EQ(contents(folder / "file"), pattern.first(pattern.size()));
}
#endif
