// SPDX-License-Identifier: Apache-2.0
// Recording what is sent: the file to other readers, and what happens when it can't be written.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <thread>

#include <pktverbs/verbs/async_event.hpp>

#include "capture_file.hpp"
#include "expect_error.hpp"
#include "read_pcapng.hpp"
#include "tshark.hpp"

namespace pktverbs::testing {
namespace {

constexpr std::uint32_t packet_block = 6;

void send(Context& ctx, std::uint32_t first, std::uint32_t count, std::size_t bytes = 64) {
    for (std::uint32_t sent = 0; sent < count;) {
        SendList list = ctx.acquire(count - sent, patience);
        ASSERT_FALSE(list.empty());
        for (SendPkt& pkt : list) fill(pkt, first + sent++, bytes);
        ASSERT_TRUE(ctx.send(std::move(list)).empty());
    }
    ASSERT_TRUE(ctx.flush(patience));
}

std::vector<Captured> recorded(const std::string& path) {
    std::vector<Captured> all;
    const auto blocks = test::read_pcapng(read_file(path));
    EXPECT_TRUE(blocks) << path;
    for (const auto& block : blocks.value_or(std::vector<test::PcapngBlock>{})) {
        if (block.type != packet_block) continue;
        const auto time = std::uint64_t{block.number<std::uint32_t>(4)} << 32 | block.number<std::uint32_t>(8);
        const auto length = block.number<std::uint32_t>(12);
        EXPECT_EQ(block.number<std::uint32_t>(16), length);
        all.push_back({time, Bytes{block.body.begin() + 20, block.body.begin() + 20 + length}});
    }
    return all;
}

class PcapRecord : public ::testing::Test {
protected:
    Folder folder;
    const std::string path = folder / "out.pcapng";
    const std::string device = "pcap:out=" + path;
};

TEST_F(PcapRecord, WritesWhatIsSentBeforeSendReturns) {
    const auto before = std::chrono::system_clock::now().time_since_epoch();
    Context ctx{device};
    EXPECT_TRUE(recorded(path).empty()) << "a capture from the beginning";
    send(ctx, 0, 1000);
    send(ctx, 1000, 1, 9022);
    const auto frames = recorded(path);
    const auto after = std::chrono::system_clock::now().time_since_epoch();
    ASSERT_EQ(frames.size(), 1001U);
    for (std::uint32_t i = 0; i < frames.size(); ++i) {
        EXPECT_EQ(frames[i].frame, frame(i, i == 1000 ? 9022 : 64));
        EXPECT_GE(std::chrono::nanoseconds{frames[i].time_ns}, before);
        EXPECT_LE(std::chrono::nanoseconds{frames[i].time_ns}, after);
    }
    EXPECT_EQ(report_of(ctx).recorded, 1001U);
    EXPECT_EQ(report_of(ctx).out_error, "");
    EXPECT_EQ(ctx.stats().drops.unsent, 0U);
    struct stat status {};
    ASSERT_EQ(::stat(path.c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 0077, 0U) << "what was sent is for the owner";
}

TEST_F(PcapRecord, WritesFramesOfSeveralPieces) {
    Options options;
    options.send_layout = Layout{}.chunk(14).chunk(50);
    Context ctx{device, options};
    SendList list = ctx.acquire(1, patience);
    for (SendPkt& pkt : list) {
        const Bytes made = frame(7);
        std::copy_n(made.begin(), 14, pkt.buffer(0).begin());
        std::copy(made.begin() + 14, made.end(), pkt.buffer(1).begin());
        pkt.set_length(14, 0);
        pkt.set_length(50, 1);
    }
    ASSERT_TRUE(ctx.send(std::move(list)).empty());
    ASSERT_EQ(recorded(path).size(), 1U);
    EXPECT_EQ(recorded(path)[0].frame, frame(7));
}

TEST_F(PcapRecord, IsReadByOthers) {
    if (!test::has_tshark()) GTEST_SKIP() << "NOT TESTED: tshark is not installed";
    {
        Context ctx{device};
        send(ctx, 0, 300, 100);
    }
    EXPECT_EQ(output_of("tshark -r " + path + " -T fields -e frame.len | sort | uniq -c | tr -d ' '"), "300100\n");
    const std::string said = output_of("capinfos -M " + path);
    expect_words(said, {"pcapng", "Ethernet", "nanoseconds (9)", "Number of packets:   300"});
}

TEST_F(PcapRecord, IsReplayed) {
    PKTVERBS_NEEDS_REPLAY();
    {
        Context ctx{device};
        send(ctx, 0, 300);
    }
    const auto frames = recorded(path);
    PcapEnd end{"pcap:in=" + path + "?speed=max"};
    const auto received = end.receive(300);
    ASSERT_EQ(received.size(), frames.size());
    for (std::size_t i = 0; i < frames.size(); ++i) {
        EXPECT_EQ(received[i].frame, frames[i].frame);
        EXPECT_EQ(received[i].time_ns, frames[i].time_ns);
    }
}

TEST_F(PcapRecord, GoesOnAfterTheReplay) {
    PKTVERBS_NEEDS_REPLAY();
    const std::string in = folder / "in";
    make_capture(in, numbered(3));
    PcapEnd end{"pcap:in=" + in + ",out=" + path + "?speed=max"};
    EXPECT_EQ(end.receive(3).size(), 3U);
    ASSERT_TRUE(end.ctx.wait_event(patience));
    send(end.ctx, 10, 5);
    EXPECT_EQ(recorded(path).size(), 5U);
}

TEST_F(PcapRecord, ReplacesWhatWasThere) {
    write_file(path, Bytes(100'000, 0xaa));
    Context ctx{device};
    send(ctx, 0, 1);
    EXPECT_EQ(recorded(path).size(), 1U);
}

TEST_F(PcapRecord, BelongsToOneDevice) {
    Context ctx{device};
    send(ctx, 0, 1);
    expect_words(expect_error(EBUSY, [&] { Context{device}; }), {path.c_str(), "records there"});
    EXPECT_EQ(recorded(path).size(), 1U);
}

TEST_F(PcapRecord, WithoutAFileCountsFramesAsUnsent) {
    PKTVERBS_NEEDS_REPLAY();
    make_capture(path, {});
    Context ctx{"pcap:in=" + path};
    send(ctx, 0, 70);
    EXPECT_EQ(ctx.stats().drops.unsent, 70U);
    EXPECT_EQ(report_of(ctx).recorded, 0U);
}

TEST_F(PcapRecord, GoesDownWhenItsReaderHasGone) {
    const std::string fifo = folder / "fifo";
    ASSERT_EQ(::mkfifo(fifo.c_str(), 0600), 0);
    int reader = -1;
    std::thread opening{[&] { reader = ::open(fifo.c_str(), O_RDONLY | O_CLOEXEC); }};
    Context ctx{"pcap:out=" + fifo};
    opening.join();
    send(ctx, 0, 1);
    EXPECT_EQ(ctx.stats().drops.unsent, 0U);
    ::close(reader);
    send(ctx, 1, 2);  // SIGPIPE would end this program
    EXPECT_EQ(ctx.stats().drops.unsent, 2U);
    const auto event = ctx.wait_event(patience);
    ASSERT_TRUE(event);
    EXPECT_EQ(event->type, IBV_EVENT_PORT_ERR);
    EXPECT_EQ(report_of(ctx).recorded, 1U);
    expect_words(report_of(ctx).out_error, {fifo.c_str(), "Broken pipe"});
}

TEST_F(PcapRecord, RefusesAFullDisk) {
    if (::access("/dev/full", W_OK) != 0) GTEST_SKIP() << "NOT TESTED: there is no /dev/full";
    expect_error(ENOSPC, [] { Context{"pcap:out=/dev/full"}; });
}

}  // namespace
}  // namespace pktverbs::testing
