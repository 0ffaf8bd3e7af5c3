// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <chrono>

#include "counts.hpp"
#include "flow_sequences.hpp"
#include "report_line.hpp"
#include "summary.hpp"

using capture::Counts;
using capture::Drop;
using capture::FlowSequences;
using capture::ReportLine;
using capture::Summary;
using namespace std::chrono_literals;

namespace {

Counts some_counts() {
    Counts counts{.received = 1000,
                  .received_bytes = 1'250'000,
                  .written = 985,
                  .missing = 4,
                  .ring_blocks = 16,
                  .filled_blocks = 3,
                  .device = {.out_of_buffer = 1, .unmatched = 77, .link = 2}};
    counts[Drop::ring_full] = 10;
    counts[Drop::late] = 5;
    return counts;
}

}  // namespace

TEST(ReportLine, ReportsTheRateSinceTheLastLine) {
    const ReportLine::Clock::time_point start{100s};
    ReportLine line{start};
    EXPECT_EQ(line.due(), start + 1s);
    auto counts = some_counts();
    EXPECT_EQ(line.format(counts, true, start + 1s),
              "1.0 s: 1000 packets, 0.010 Gb/s, missing 4, ring 3/16, drops 15 (ring full 10, late 5), "
              "lost before 3 (out of buffer 1, link 2)");
    counts.received += 500;
    counts.received_bytes += 500'000'000;
    counts.drops = {};
    counts.device = {};
    EXPECT_EQ(line.format(counts, false, start + 3s),
              "3.0 s: 500 packets, 2.000 Gb/s, ring 3/16, drops 0, lost before 0");
    EXPECT_EQ(line.due(), start + 4s);
}

TEST(Counts, KnowLossesFromDuplicates) {
    Counts counts;
    counts.received = 10;
    counts.written = 8;
    counts[Drop::duplicate] = 2;
    counts.device.unmatched = 77;  // no flow matched them
    EXPECT_FALSE(counts.has_losses());
    for (std::size_t reason = 0; reason < counts.drops.size(); ++reason) {
        if (reason == static_cast<std::size_t>(Drop::duplicate)) continue;
        auto other = counts;
        ++other.drops[reason];
        EXPECT_TRUE(other.has_losses()) << reason;
    }
    auto missing = counts;
    missing.missing = 1;
    EXPECT_TRUE(missing.has_losses());
    auto before = counts;
    before.device.out_of_buffer = 1;
    EXPECT_TRUE(before.has_losses());
}

TEST(Summary, AddsUp) {
    const auto counts = some_counts();
    ASSERT_EQ(counts.received, counts.written + counts.dropped());
    const FlowSequences sequences{{capture::UdpFlow{{}, 7}}, pktverbs::SequenceField{}};
    const Summary summary{counts, 2s, "on disk in /data/file", "O_DIRECT, pwrite", 1'290'000};
    EXPECT_EQ(summary.format(sequences),
              "received: 1000 packets, 1250000 bytes in 2.0 s, 0.005 Gb/s\n"
              "written: 985 packets, 1290000 bytes on disk in /data/file: O_DIRECT, pwrite\n"
              "drops 15 (ring full 10, late 5)\n"
              "flow any:7: 0 packets, missing 0, reordered 0, duplicated 0\n"
              "lost before 3 (out of buffer 1, link 2)\n"
              "sum: 1000 received = 985 written + 15 dropped\n");
}
