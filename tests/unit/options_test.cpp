// SPDX-License-Identifier: Apache-2.0

#include <pktverbs/format.hpp>
#include <pktverbs/options.hpp>

#include <gtest/gtest.h>

#include <pktverbs/recv_list.hpp>

namespace pktverbs {
namespace {

TEST(Options, AreWrittenInFull) {
    EXPECT_EQ(fmt::format("{}", Options{}),
              "transport raw packet, send_packets 256, recv_packets 4096, max_packet_size 9216, recv_layout whole, "
              "send_layout whole, regions 0, queues 1, rss no, max_batch chosen, signal_every "
              "chosen, max_inline 0, pages normal, local_numa_node false, require_link true, timestamps false, "
              "offloads (none), qkey "
              "0x11111111, wait "
              "block, spin 20000 ns");
}

TEST(Options, SayNoneAndAllInWords) {
    const std::string text = Options{.send_packets = none, .recv_packets = device_maximum, .max_batch = 7}.to_string();
    EXPECT_NE(text.find("send_packets none, recv_packets device_maximum,"), std::string::npos) << text;
    EXPECT_NE(text.find("max_batch 7,"), std::string::npos) << text;
}

TEST(Limits, AreWrittenInFull) {
    Limits limits;
    limits.mac = MacAddress{"02:50:56:00:00:01"};
    limits.mtu = 9000;
    limits.recv_packets = 64;
    EXPECT_EQ(
        fmt::format("{}", limits),
        "mac 02:50:56:00:00:01, mtu 9000, send_packets 0, recv_packets 64, send_depth 0, recv_depth 0, "
        "max_packet_size 0, max_batch 0, "
        "signal_every 0, max_inline 0, buffer_bytes 0, offloads (none), timestamps false, timestamp_clock absent");
}

TEST(WaitMode, HasAName) { EXPECT_EQ(fmt::format("{:>16}", WaitMode::spin_then_block), " spin then block"); }
TEST(Outcome, HasAName) { EXPECT_EQ(fmt::format("{}", Outcome::queue_error), "queue error"); }

}  // namespace
}  // namespace pktverbs
