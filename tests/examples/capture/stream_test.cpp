// SPDX-License-Identifier: Apache-2.0
// BlockWriter and PcapngFile on sequential outputs.
#include <gtest/gtest.h>

#include <sys/socket.h>
#include <sys/un.h>

#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <numeric>
#include <span>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "block_writer.hpp"
#include "expect_error.hpp"
#include "fifo.hpp"
#include "pcapng_file.hpp"

using capture::BlockWriter;
using capture::PcapngFile;
using capture::WriterOptions;
using capture::test::Fifo;
using namespace std::chrono_literals;

namespace {

/// No two nearby bytes are the same.
std::vector<std::uint8_t> pattern(std::size_t bytes) {
    std::vector<std::uint8_t> made(bytes);
    for (std::size_t at = 0; at < bytes; ++at) made[at] = static_cast<std::uint8_t>(at * 7 + at / 251);
    return made;
}

WriterOptions interrupted(std::chrono::milliseconds patience) {
    std::stop_source stop;
    stop.request_stop();
    WriterOptions options;
    options.patience.interrupted = stop.get_token();
    options.patience.after_interrupt = patience;
    return options;
}

}  // namespace

TEST(Stream, TakesPiecesOfAnyLengthInTheirOrder) {
    const auto all = pattern(300'000);
    Fifo fifo;
    fifo.open();
    BlockWriter writer{fifo.path(), {}};
    EXPECT_TRUE(writer.is_stream());
    EXPECT_EQ(writer.how(), "in order");
    std::jthread thread{[&] {
        std::size_t at = 0;
        for (std::size_t bytes = 1; at < all.size(); bytes = bytes * 3 + 1) {
            const auto piece = std::span{all}.subspan(at, std::min(bytes, all.size() - at));
            writer.write(piece);
            at += piece.size();
        }
        writer.finish(0);  // which cuts nothing
    }};
    EXPECT_EQ(fifo.read_all(), all);
    thread.join();
    EXPECT_EQ(writer.error(), 0);
    EXPECT_EQ(writer.written_bytes(), all.size());
    EXPECT_EQ(writer.completed(), writer.queued());
}

TEST(Stream, WaitsForAReader) {
    const auto all = pattern(100'000);
    Fifo fifo;
    BlockWriter writer{fifo.path(), {}};
    std::jthread thread{[&] {
        writer.write(all);
        writer.finish(all.size());
    }};
    EXPECT_EQ(fifo.read_all(), all);
    thread.join();
    EXPECT_EQ(writer.error(), 0);
}

TEST(Stream, WaitsForNoReaderWhenInterrupted) {
    Fifo fifo;
    BlockWriter writer{fifo.path(), interrupted(1h)};
    writer.write(pattern(100));
    writer.finish(0);
    EXPECT_EQ(writer.error(), ENXIO);
    EXPECT_EQ(writer.written_bytes(), 0u);
}

TEST(Stream, StopsWaitingForAReaderWhenInterrupted) {
    Fifo fifo;
    std::stop_source stop;
    WriterOptions options;
    options.patience.interrupted = stop.get_token();
    BlockWriter writer{fifo.path(), options};
    std::jthread thread{[&] { writer.write(pattern(100)); }};
    stop.request_stop();
    thread.join();
    EXPECT_EQ(writer.error(), ENXIO);
}

TEST(Stream, GivesUpAReaderThatTakesNothing) {
    for (const bool ended : {false, true}) {
        Fifo fifo;
        fifo.open();
        auto options = interrupted(1ms);
        if (ended) std::swap(options.patience.ended, options.patience.interrupted);
        options.patience.after_end = 1ms;
        BlockWriter writer{fifo.path(), options};
        const auto all = pattern(1'000'000);
        writer.write(all);
        writer.write(all);
        writer.finish(0);
        EXPECT_EQ(writer.error(), ETIMEDOUT);
        EXPECT_EQ(writer.completed(), 2u) << "writes that never end are not waited for";
        const auto taken = fifo.take();
        EXPECT_EQ(writer.written_bytes(), taken.size());
        EXPECT_TRUE(std::equal(taken.begin(), taken.end(), all.begin()));
    }
}

TEST(Stream, BearsASlowReaderWhenInterrupted) {
    Fifo fifo;
    fifo.open();
    BlockWriter writer{fifo.path(), interrupted(1h)};
    const auto all = pattern(1'000'000);
    std::jthread thread{[&] {
        writer.write(all);
        writer.finish(0);
    }};
    EXPECT_EQ(fifo.read_all(), all);
    thread.join();
    EXPECT_EQ(writer.error(), 0);
}

TEST(Stream, ReportsThatTheReaderHasClosed) {
    Fifo fifo;
    fifo.open();
    BlockWriter writer{fifo.path(), {}};
    fifo.close();
    writer.write(pattern(100));
    EXPECT_EQ(writer.error(), EPIPE);
}

TEST(Stream, IsNoSocket) {
    const capture::test::TemporaryFolder folder;
    const int made = ::socket(AF_UNIX, SOCK_STREAM, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    const auto path = folder / "socket";
    ASSERT_LT(path.size(), sizeof address.sun_path);
    std::memcpy(address.sun_path, path.c_str(), path.size());
    ASSERT_EQ(::bind(made, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
    pktverbs::testing::expect_error(ENXIO, [&] { BlockWriter{path, {}}; });
    ::close(made);
}

TEST(PcapngFile, ShowsAReaderWhatThereIs) {
    Fifo fifo;
    fifo.open();
    BlockWriter file{fifo.path(), {}};
    PcapngFile writer{file, "capture", {.name = "eth0"}, 2};
    writer.flush();
    auto seen = fifo.take();
    const auto headers = seen.size();
    EXPECT_GT(headers, 0u);
    EXPECT_EQ(headers % 4, 0u);
    const auto frame = pattern(61);
    for (std::uint64_t packets = 1; packets < 100; ++packets) {
        writer.add(frame, {}, 1s);
        EXPECT_TRUE(fifo.take().empty());
        writer.flush();
        const auto more = fifo.take();
        ASSERT_EQ(more.size(), 32u + 64u) << packets;
        EXPECT_TRUE(std::equal(frame.begin(), frame.end(), more.begin() + 28));
        seen.insert(seen.end(), more.begin(), more.end());
    }
    EXPECT_EQ(writer.finish({}), 99u);
    const auto rest = fifo.take();
    EXPECT_EQ(writer.file_bytes(), seen.size() + rest.size());
    std::uint32_t type = 0;
    std::memcpy(&type, rest.data(), sizeof type);
    EXPECT_EQ(type, 5u) << "the statistics, and no padding in between";
    std::uint32_t length = 0;
    std::memcpy(&length, rest.data() + 4, sizeof length);
    EXPECT_EQ(length, rest.size()) << "nor behind them";
}

TEST(PcapngFile, CountsThePacketsThatAReaderTookWhole) {
    Fifo fifo;
    fifo.open();
    BlockWriter file{fifo.path(), interrupted(1ms)};
    PcapngFile writer{file, "capture", {.name = "eth0"}, 2};
    const auto frame = pattern(1000);
    for (int i = 0; i < 2000; ++i) {
        writer.add(frame, {}, 1s);
        if (i % 7 == 0) writer.flush();
    }
    const auto packets = writer.finish({});
    EXPECT_EQ(file.error(), ETIMEDOUT);
    const auto taken = fifo.take();
    EXPECT_EQ(writer.file_bytes(), taken.size());
    std::uint64_t whole = 0;
    for (std::size_t at = 0; at + 8 <= taken.size();) {
        std::uint32_t head[2]{};
        std::memcpy(head, taken.data() + at, sizeof head);
        at += head[1];
        if (head[0] == 6 && at <= taken.size()) ++whole;
    }
    EXPECT_GT(whole, 0u);
    EXPECT_EQ(packets, whole);
}
