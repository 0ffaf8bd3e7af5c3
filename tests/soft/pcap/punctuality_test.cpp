// SPDX-License-Identifier: Apache-2.0
// What a replay does so that frames arrive when they are due, whatever the speed of the machine.
#include "capture_file.hpp"
#include "soft/link/pcap/link.hpp"
#include "soft/link/pcap/replay.hpp"

namespace pktverbs::testing {
namespace {

using soft::FlowMatch;
using soft::RxFrame;
using soft::pcap::CaptureReader;
using soft::pcap::PcapLink;
using soft::pcap::Replay;
using soft::pcap::Settings;

struct CountingSink final : soft::Sink {
    void deliver(std::span<const RxFrame> frames) noexcept override { count += frames.size(); }
    void link_changed(bool) noexcept override {}

    std::size_t count = 0;
};

class PcapPunctuality : public ::testing::Test {
protected:
    void SetUp() override { PKTVERBS_NEEDS_REPLAY(); }

    Folder folder;
    const Settings settings = [this] {
        Settings all;
        all.in = folder / "in";
        all.mtu = 9000;
        return all;
    }();
};

/// The end of the file is seen when it is read: `rounds` counts it.
TEST_F(PcapPunctuality, ReadsOneFrameMoreThanIsDueAndTheRestOneByOne) {
    make_capture(settings.in, numbered(10, 10us));
    Replay replay{CaptureReader{settings.in}, settings};
    replay.start(5000);
    ASSERT_EQ(replay.due(25'000, 64).size(), 3U);
    for (int ahead = 0; ahead < 6; ++ahead) replay.read_ahead();
    EXPECT_EQ(replay.rounds(), 0U) << "all ten frames were read, and the fourth was enough";
    replay.read_ahead();
    EXPECT_EQ(replay.rounds(), 1U);
    EXPECT_EQ(replay.due(95'000, 64).size(), 10U);
}

TEST_F(PcapPunctuality, ReadsWhatIsOverdueAtOnce) {
    make_capture(settings.in, numbered(200, 10us));
    Replay replay{CaptureReader{settings.in}, settings};
    replay.start(0);
    for (const std::size_t expected : {64U, 64U, 64U, 8U}) {
        ASSERT_EQ(replay.due(10'000'000, 1000).size(), expected);
        replay.take(expected, 10'000'000);
    }
    EXPECT_TRUE(replay.is_over());
    EXPECT_EQ(replay.max_lateness(), 10'000'000U);
    EXPECT_EQ(replay.sum_lateness(), 200 * 10'000'000U - 10'000U * 199 * 200 / 2);
}

/// Frames keep their order and bytes where the buffer for those read ahead begins again.
TEST_F(PcapPunctuality, GivesWhatWasReadAheadInOrder) {
    const auto frames = numbered(300, 10us);
    make_capture(settings.in, frames);
    Replay replay{CaptureReader{settings.in}, settings};
    replay.start(0);
    std::size_t next = 0;
    for (std::uint64_t now = 0; next < frames.size(); now += 70'000) {
        for (int ahead = 0; ahead < 100; ++ahead) replay.read_ahead();
        for (std::span<const RxFrame> due; !(due = replay.due(now, 5)).empty(); replay.take(due.size(), now))
            for (const RxFrame& frame : due) {
                const Bytes& expected = frames[next++].frame;
                ASSERT_TRUE(std::equal(expected.begin(), expected.end(), frame.data, frame.data + frame.length));
            }
    }
    EXPECT_TRUE(replay.is_over());
}

/// A thread that waits spins for the frame that is due next. It takes the event of one that has come, and looks once
/// more whether there is another event: spinning then would keep it from its frame.
TEST_F(PcapPunctuality, SpinsForAFrameOnlyWhileAThreadWaits) {
    constexpr std::uint32_t frames = 400;
    make_capture(settings.in, numbered(frames, 90us));  // less than a thread is woken before a frame is due
    PcapLink link{settings};
    CountingSink sink;
    link.attach(sink);
    const FlowMatch everything;
    const FlowMatch* const flows[] = {&everything};
    ASSERT_EQ(link.set_flows(flows), 0);
    int calls_without_a_frame = 0;
    for (bool waits = true; sink.count < frames; waits = !waits) {
        const std::size_t before = sink.count;
        if (waits) link.watched(true);
        link.waited();
        link.receive(1);
        if (waits)
            EXPECT_EQ(sink.count, before + 1);
        else if (sink.count == before)
            ++calls_without_a_frame;
        if (waits) link.watched(false);
    }
    EXPECT_GT(calls_without_a_frame, 0);
    link.detach();
}

}  // namespace
}  // namespace pktverbs::testing
