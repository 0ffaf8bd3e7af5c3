// SPDX-License-Identifier: Apache-2.0
// Replaying capture files: every form of them, their times, their ends.
#include <chrono>
#include <thread>

#include <pktverbs/verbs/async_event.hpp>

#include "capture_file.hpp"
#include "expect_error.hpp"
#include "tshark.hpp"

namespace pktverbs::testing {
namespace {

using Clock = std::chrono::steady_clock;

class PcapReplay : public ::testing::Test {
protected:
    void SetUp() override { PKTVERBS_NEEDS_REPLAY(); }

    Folder folder;
    const std::string path = folder / "in";

    std::string device(const std::string& keys = "speed=max") const { return "pcap:in=" + path + "?" + keys; }
};

bool has_ended(Context& ctx) {
    const auto event = ctx.wait_event(patience);
    return event && event->type == IBV_EVENT_PORT_ERR;
}

void expect_numbers(const std::vector<Captured>& received, std::uint32_t first, std::uint32_t count) {
    ASSERT_EQ(received.size(), count);
    for (std::uint32_t i = 0; i < count; ++i) ASSERT_EQ(number_of(received[i].frame), first + i);
}

class PcapForms : public PcapReplay, public ::testing::WithParamInterface<CaptureForm> {};

std::vector<CaptureForm> all_forms() {
    std::vector<CaptureForm> forms;
    for (const bool is_pcapng : {false, true})
        for (const bool is_swapped : {false, true})
            for (const bool is_nano : {false, true})
                forms.push_back({.is_pcapng = is_pcapng, .is_swapped = is_swapped, .is_nano = is_nano});
    return forms;
}
INSTANTIATE_TEST_SUITE_P(All, PcapForms, ::testing::ValuesIn(all_forms()),
                         [](const auto& info) { return info.param.name(); });

TEST_P(PcapForms, GiveEveryFrameWithItsTime) {
    const auto frames = numbered(150, 1234567ns);
    make_capture(path, frames, GetParam());
    PcapEnd end{device()};
    EXPECT_EQ(end.ctx.limits().timestamp_clock, TimestampClock::recorded);
    const auto received = end.receive(frames.size());
    ASSERT_EQ(received.size(), frames.size());
    for (std::size_t i = 0; i < frames.size(); ++i) {
        EXPECT_EQ(received[i].frame, frames[i].frame) << i;
        EXPECT_EQ(received[i].time_ns, GetParam().resolved(frames[i].time_ns)) << i;
    }
}

/// What the same file is to another reader.
TEST_P(PcapForms, AreReadAsByTshark) {
    if (!test::has_tshark()) GTEST_SKIP() << "NOT TESTED: tshark is not installed";
    make_capture(path, numbered(20, 1234567ns), GetParam());
    const std::string said = output_of("tshark -r " + path + " -T fields -e frame.time_epoch -e frame.len 2>/dev/null");
    PcapEnd end{device()};
    std::string ours;
    for (const Captured& captured : end.receive(20))
        ours += fmt::format("{}.{:09}\t{}\n", captured.time_ns / 1'000'000'000, captured.time_ns % 1'000'000'000,
                            captured.frame.size());
    EXPECT_EQ(ours, said);
}

/// At every byte where it may have been cut.
TEST_P(PcapForms, ThatAreCutOffGiveTheirWholeFrames) {
    const auto frames = numbered(3);
    const CaptureFile two = CaptureFile{GetParam()}.add(frames[0]).add(frames[1]);
    const CaptureFile all = CaptureFile{two}.add(frames[2]);
    for (std::size_t size = two.bytes.size(); size < all.bytes.size(); ++size) {
        write_file(path, {all.bytes.begin(), all.bytes.begin() + static_cast<std::ptrdiff_t>(size)});
        PcapEnd end{device(), {.send_packets = none, .recv_packets = 16}};
        expect_numbers(end.receive(2), 0, 2);
        while (!report_of(end.ctx).ended) EXPECT_TRUE(end.ctx.recv(0ns).empty());
        const auto report = report_of(end.ctx);
        EXPECT_EQ(report.replayed, 2U);
        if (size == two.bytes.size())
            EXPECT_EQ(report.in_error, "");
        else
            expect_words(report.in_error, {path.c_str(), "to its end", "truncated"});
    }
}

TEST_F(PcapReplay, EndsWithAnEvent) {
    make_capture(path, numbered(10));
    PcapEnd end{device()};
    EXPECT_EQ(end.ctx.port().state, IBV_PORT_ACTIVE);
    expect_numbers(end.receive(10), 0, 10);
    EXPECT_TRUE(has_ended(end.ctx));
    EXPECT_NE(end.ctx.port().state, IBV_PORT_ACTIVE);
    const auto report = report_of(end.ctx);
    EXPECT_TRUE(report.ended);
    EXPECT_EQ(report.replayed, 10U);
    EXPECT_EQ(report.rounds, 1U);
    EXPECT_EQ(report.in_error, "");
    EXPECT_EQ(end.ctx.stats().drops.total(), 0U);
}

TEST_F(PcapReplay, EndsForAThreadThatWaitsForFramesOnly) {
    make_capture(path, numbered(10));
    PcapEnd end{device("speed=recorded")};
    std::thread waiting{[&] {
        EXPECT_EQ(end.receive(10).size(), 10U);
        EXPECT_TRUE(end.ctx.recv(1ms).empty());
    }};
    waiting.join();
    EXPECT_TRUE(end.ctx.next_event());
}

TEST_F(PcapReplay, OfNoFramesEndsAtOnce) {
    make_capture(path, {});
    for (const char* keys : {"loop=0", "speed=max&loop=3"}) {
        PcapEnd end{device(keys)};
        EXPECT_TRUE(end.ctx.recv(0ns).empty());
        EXPECT_TRUE(has_ended(end.ctx));
        EXPECT_EQ(report_of(end.ctx).replayed, 0U);
    }
}

TEST_F(PcapReplay, BeginsWithTheFirstFlow) {
    make_capture(path, numbered(10));
    for (const char* keys : {"speed=max", "speed=recorded"}) {
        Context ctx{device(keys), {.send_packets = none, .recv_packets = 16}};
        for (int i = 0; i < 100; ++i) EXPECT_TRUE(ctx.recv(0ns).empty());
        EXPECT_TRUE(ctx.recv(1ms).empty());
        const Flow flow = ctx.install(FlowRule{});
        for (std::uint32_t next = 0; next < 10;) {
            const RecvList list = ctx.recv(patience);
            ASSERT_FALSE(list.empty());
            for (const RecvPkt& pkt : list) EXPECT_EQ(number_of(pkt.bytes()), next++);
        }
        EXPECT_EQ(ctx.stats().drops.total(), 0U);
    }
}

/// A thread that waits already when the first flow comes.
TEST_F(PcapReplay, WakesAThreadThatWaitedBeforeTheFirstFlow) {
    make_capture(path, numbered(10));
    Context ctx{device(), {.send_packets = none, .recv_packets = 16}};
    std::thread waiting{[&] { EXPECT_FALSE(ctx.recv(patience).empty()); }};
    const Flow flow = ctx.install(FlowRule{});
    waiting.join();
}

TEST_F(PcapReplay, StaysAtMaxSpeedWhileThereIsNoFlow) {
    make_capture(path, numbered(1000));
    PcapEnd end{device(), {.send_packets = none, .recv_packets = 16}};
    const auto first = end.receive(1).size();
    end.flow = {};
    for (int i = 0; i < 100; ++i) EXPECT_LE(end.ctx.recv(0ns).size(), 16U);
    EXPECT_LT(report_of(end.ctx).replayed, 1000U);
    EXPECT_EQ(end.ctx.stats().drops.unmatched, 0U);
    end.flow = end.ctx.install(FlowRule{});
    EXPECT_GE(first, 1U);
    EXPECT_FALSE(end.receive(1).empty());
}

TEST_F(PcapReplay, IsRepeated) {
    make_capture(path, numbered(7));
    PcapEnd end{device("speed=max&loop=3")};
    const auto received = end.receive(21);
    ASSERT_EQ(received.size(), 21U);
    for (std::uint32_t i = 0; i < 21; ++i) {
        EXPECT_EQ(number_of(received[i].frame), i % 7);
        EXPECT_EQ(received[i].time_ns, first_time);
    }
    EXPECT_TRUE(has_ended(end.ctx));
    EXPECT_EQ(report_of(end.ctx).rounds, 3U);
}

TEST_F(PcapReplay, IsRepeatedForEver) {
    make_capture(path, numbered(7));
    PcapEnd end{device("speed=max&loop=0")};
    EXPECT_GE(end.receive(5000).size(), 5000U);
    EXPECT_FALSE(report_of(end.ctx).ended);
    EXPECT_EQ(end.ctx.port().state, IBV_PORT_ACTIVE);
}

/// A frame is never early, but a loaded machine makes any of them late.
TEST_F(PcapReplay, KeepsTheRecordedTimes) {
    constexpr auto apart = 3ms;
    make_capture(path, numbered(20, apart));
    for (const double speed : {1.0, 2.0}) {
        PcapEnd end{device(fmt::format("speed={}x", speed))};
        const auto start = Clock::now();
        for (std::uint32_t i = 0; i < 20;) {
            const RecvList list = end.ctx.recv(patience);
            const auto now = Clock::now();
            ASSERT_FALSE(list.empty());
            for (const RecvPkt& pkt : list) {
                EXPECT_EQ(number_of(pkt.bytes()), i);
                EXPECT_GE((now - start) * speed, i * apart) << i;
                ++i;
            }
        }
        const auto report = report_of(end.ctx);
        EXPECT_LE(report.mean_lateness, report.max_lateness);
        EXPECT_GT(report.max_lateness, 0ns);
        RecordProperty(fmt::format("mean_lateness_ns_{}x", speed), std::to_string(report.mean_lateness.count()));
        RecordProperty(fmt::format("max_lateness_ns_{}x", speed), std::to_string(report.max_lateness.count()));
    }
}

TEST_F(PcapReplay, GoesOnOverTimesThatGoBack) {
    std::vector<Captured> frames = numbered(4);
    frames[1].time_ns -= 3'600'000'000'000;
    frames[2].time_ns += 1'000'000;
    frames[3].time_ns = 0;
    make_capture(path, frames);
    PcapEnd end{device("speed=recorded")};
    const auto received = end.receive(4);
    expect_numbers(received, 0, 4);
    EXPECT_EQ(received[1].time_ns, frames[1].time_ns);
    EXPECT_EQ(received[3].time_ns, 1U) << "0 would be the time of delivery";
}

TEST_F(PcapReplay, DropsAtRecordedTimesWhatNoReceiveIsPostedFor) {
    make_capture(path, numbered(100));
    PcapEnd end{device("speed=recorded"), {.send_packets = none, .recv_packets = 16, .max_batch = 16}};
    while (!report_of(end.ctx).ended) EXPECT_LE(end.ctx.recv(0ns).size(), 16U);
    EXPECT_EQ(end.ctx.stats().recv_packets + end.ctx.stats().drops.out_of_buffer, 100U);
    EXPECT_GT(end.ctx.stats().drops.out_of_buffer, 0U);
}

TEST_F(PcapReplay, LosesNothingAtMaxSpeed) {
    make_capture(path, numbered(20'000));
    PcapEnd end{device(), {.send_packets = none, .recv_packets = 16}};
    expect_numbers(end.receive(20'000), 0, 20'000);
    EXPECT_TRUE(has_ended(end.ctx));
    EXPECT_EQ(end.ctx.stats().drops.total(), 0U);
}

TEST_F(PcapReplay, WaitsAtMaxSpeedUntilPacketsComeBack) {
    make_capture(path, numbered(20));
    PcapEnd end{device(), {.send_packets = none, .recv_packets = 16, .max_batch = 16}};
    RecvList held = end.ctx.recv(patience);
    ASSERT_EQ(held.size(), 16U);
    EXPECT_TRUE(end.ctx.recv(2ms).empty());
    std::thread returning{[held = std::move(held)]() mutable { held = {}; }};
    expect_numbers(end.receive(4), 16, 4);
    returning.join();
    EXPECT_EQ(end.ctx.stats().drops.total(), 0U);
}

TEST_F(PcapReplay, CountsFramesThatDoNotFit) {
    std::vector<Captured> frames = numbered(2);
    for (const std::size_t bytes : {0U, 13U, 1523U, 70'000U}) frames.push_back({first_time, Bytes(bytes, 0xff)});
    frames.push_back({first_time, frame(2, 1522)});
    make_capture(path, frames);
    PcapEnd end{device("speed=max&mtu=1500")};
    expect_numbers(end.receive(3), 0, 3);
    EXPECT_TRUE(has_ended(end.ctx));
    EXPECT_EQ(end.ctx.stats().drops.link, 4U);
    EXPECT_EQ(report_of(end.ctx).replayed, 3U);
}

TEST_F(PcapReplay, MeetsTheStringsFaults) {
    make_capture(path, numbered(1000));
    PcapEnd end{device("speed=max&loss=0.5"), {.send_packets = none, .recv_packets = 2048}};
    std::size_t received = 0;
    while (!report_of(end.ctx).ended) received += end.ctx.recv(0ns).size();
    received += end.receive(0).size();
    for (std::size_t more; (more = end.ctx.recv(0ns).size()) != 0;) received += more;
    EXPECT_EQ(received + end.ctx.stats().drops.link, 1000U);
    EXPECT_EQ(report_of(end.ctx).replayed, 1000U);
}

/// Its folder and name are the file's business.
TEST_F(PcapReplay, TakesNamesWithCommas) {
    const std::string odd = folder / "a,b,in,out,=,c";
    make_capture(odd, numbered(1));
    PcapEnd end{"pcap:in=" + odd + ",out=" + (folder / "out,x") + "?speed=max"};
    expect_numbers(end.receive(1), 0, 1);
    EXPECT_FALSE(read_file(folder / "out,x").empty());
}

TEST(PcapReport, IsOfPcapDevicesOnly) {
    Context ctx{"wire:no-capture"};
    EXPECT_FALSE(soft::pcap_report(ctx.raw()));
}

}  // namespace
}  // namespace pktverbs::testing
