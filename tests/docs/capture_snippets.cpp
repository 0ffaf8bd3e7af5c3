// SPDX-License-Identifier: Apache-2.0
// The code in docs/capture.md: see api_snippets.cpp.
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <system_error>

#include <pktverbs/pcapng/writer.hpp>
#include <pktverbs/pktverbs.hpp>

namespace capture_snippets {
namespace {

using namespace pktverbs;
using namespace std::chrono_literals;

TEST(CaptureSnippets, Pcapng) {
    Context ctx{"wire:pcapng", {.timestamps = true}};
    Context sender{"wire:pcapng", {.recv_packets = none}};
    const Flow flow = ctx.install(FlowRule{});
    const auto send = [&sender] {
        auto packets = sender.acquire(1);
        packets.front().set_length(64);
        std::ranges::fill(packets.front().bytes(), std::uint8_t{0xff});
        sender.send(std::move(packets));
    };
    send();
    const int fd = memfd_create("pcapng", MFD_CLOEXEC);
    // [pcapng]
    PcapngWriter writer{fd, "my program", {.name = "eth0"}};
    for (const auto& pkt : ctx.recv(1s)) writer.add(pkt.bytes(), pkt.timestamp());
    if (!writer.flush()) throw std::system_error{writer.error(), std::generic_category(), "cannot write"};
    // [/pcapng]
    EXPECT_EQ(writer.packets(), 1u);
    Context& other = ctx;
    send();
    // [pcapng-interfaces]
    const std::uint32_t eth1 = writer.add_interface({.name = "eth1", .snap_length = 96});
    for (const auto& pkt : other.recv(1s)) writer.add(pkt.bytes(), pkt.timestamp(), eth1);
    // [/pcapng-interfaces]
    EXPECT_EQ(writer.packets(eth1), 1u);
    EXPECT_TRUE(writer.flush());
    EXPECT_GT(lseek(fd, 0, SEEK_END), 64);
    close(fd);
}

}  // namespace
}  // namespace capture_snippets
