// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "block_writer.hpp"
#include "full_disk.hpp"
#include "pcapng_file.hpp"
#include "read_pcapng.hpp"
#include "temporary_folder.hpp"

using capture::BlockWriter;
using capture::PcapngFile;
using capture::test::contents;
using capture::test::contents_or_none;
using capture::test::TemporaryFolder;
using pktverbs::test::PcapngBlock;
using pktverbs::test::read_pcapng;
using namespace std::chrono_literals;

namespace {

constexpr std::chrono::nanoseconds start{1'700'000'000'123'456'789};

/// Frames begin at different places in one sequence of bytes.
std::span<const std::uint8_t> frame(std::size_t number, std::size_t bytes) {
    static const auto row = [] {
        std::vector<std::uint8_t> made(16 * 1024);
        for (std::size_t at = 0; at < made.size(); ++at) made[at] = static_cast<std::uint8_t>(at * 7 + at / 256);
        return made;
    }();
    return std::span{row}.subspan(number % 4099, bytes);
}
std::vector<std::uint8_t> padded_frame(std::size_t number, std::size_t bytes) {
    const auto whole = frame(number, bytes);
    std::vector<std::uint8_t> made{whole.begin(), whole.end()};
    made.resize(pktverbs::pcapng::padded(bytes));
    return made;
}
/// 60 to 9016 bytes, of every remainder by 4.
std::size_t frame_bytes(std::size_t number) { return 60 + number * 1237 % 8957; }

std::string output_of(const std::string& command) {
    const std::unique_ptr<FILE, int (*)(FILE*)> pipe{popen(command.c_str(), "r"), &pclose};
    std::string text;
    for (std::array<char, 4096> part{}; const auto count = std::fread(part.data(), 1, part.size(), pipe.get());)
        text.append(part.data(), count);
    return text;
}

pktverbs::pcapng::Interface veth() {
    return {.name = "veth0", .comment = "udp dst_port 7148", .bits_per_second = 25'000'000'000};
}

}  // namespace

TEST(PcapngFile, WritesWhatTheFormatSays) {
    const TemporaryFolder folder;
    BlockWriter file{folder / "file", {}};
    PcapngFile writer{file, "capture", veth(), 2};
    writer.add(frame(1, 61).first(42), frame(1, 61).subspan(42), start);
    EXPECT_EQ(writer.finish({.start = start, .end = start + 5s, .received = 7, .dropped = 6}), 1u);

    const auto bytes = contents(folder / "file");
    EXPECT_EQ(writer.file_bytes(), bytes.size());
    const auto blocks = read_pcapng(bytes);
    ASSERT_TRUE(blocks);
    ASSERT_EQ(blocks->size(), 4u);

    const auto& section = (*blocks)[0];
    EXPECT_EQ(section.type, 0x0a0d0d0a);
    EXPECT_EQ(section.number<std::uint32_t>(0), 0x1a2b3c4d);
    EXPECT_EQ(section.number<std::uint16_t>(4), 1);
    EXPECT_EQ(section.number<std::int64_t>(8), -1);

    const auto& interface = (*blocks)[1];
    EXPECT_EQ(interface.type, 1u);
    EXPECT_EQ(interface.number<std::uint16_t>(0), 1) << "Ethernet";

    const auto& packet = (*blocks)[2];
    EXPECT_EQ(packet.type, 6u);
    EXPECT_EQ(packet.number<std::uint32_t>(0), 0u) << "interface";
    EXPECT_EQ(std::uint64_t{packet.number<std::uint32_t>(4)} << 32 | packet.number<std::uint32_t>(8), start.count());
    EXPECT_EQ(packet.number<std::uint32_t>(12), 61u);
    EXPECT_EQ(packet.number<std::uint32_t>(16), 61u);
    EXPECT_TRUE(std::ranges::equal(std::span{packet.body}.subspan(20), padded_frame(1, 61)));

    EXPECT_EQ((*blocks)[3].type, 5u);
}

TEST(PcapngFile, IsReadByTshark) {
    if (output_of("command -v tshark && command -v capinfos").find("capinfos") == std::string::npos)
        GTEST_SKIP() << "no tshark here; its Debian package is tshark";
    constexpr std::size_t packets = 1000;
    const TemporaryFolder folder;
    const auto path = folder / "file.pcapng";
    BlockWriter file{path, {}};
    PcapngFile writer{file, "capture of pktverbs", veth(), 3};
    std::string expected;
    for (std::size_t i = 0; i < packets; ++i) {
        writer.add({}, frame(i, frame_bytes(i)), start + i * 1001ns);
        expected += std::to_string(frame_bytes(i)) + "\t1700000000." + std::to_string(123456789 + i * 1001) + "\n";
    }
    EXPECT_EQ(writer.finish({.start = start, .end = start + 1s, .received = 1010, .dropped = 10}), packets);

    EXPECT_EQ(output_of("tshark -r " + path + " -T fields -e frame.len -e frame.time_epoch 2>&1 | grep -v '^Running'"),
              expected);
    const auto facts = output_of("capinfos " + path + " 2>&1");
    for (const char* fact : {"pcapng", "Ethernet", "Number of packets:   1000", "Name = veth0", "Speed = 25000000000",
                             "Time precision = nanoseconds (9)", "Number of stat entries = 1", "capture of pktverbs",
                             "udp dst_port 7148", "Strict time order:   True"})
        EXPECT_NE(facts.find(fact), std::string::npos) << '"' << fact << "\" in:\n" << facts;
}

TEST(PcapngFile, KeepsEveryPacketOfManyPieces) {
    constexpr std::size_t packets = 2000;
    const TemporaryFolder folder;
    BlockWriter file{folder / "file", {}};
    PcapngFile writer{file, "capture", veth(), 2};
    for (std::size_t i = 0; i < packets; ++i) writer.add({}, frame(i, frame_bytes(i)), start);
    EXPECT_EQ(writer.finish({}), packets);
    const auto blocks = read_pcapng(contents(folder / "file"));
    ASSERT_TRUE(blocks);
    ASSERT_EQ(blocks->size(), packets + 3);
    for (std::size_t i = 0; i < packets; ++i) {
        const auto body = std::span{(*blocks)[i + 2].body}.subspan(20);
        ASSERT_TRUE(std::ranges::equal(body, padded_frame(i, frame_bytes(i)))) << i;
    }
}

TEST(PcapngFile, LeavesOnlyWholeBlocksOnAFullDisk) {
    constexpr std::size_t packets = 600;  // 2.7 MB
    for (std::uint64_t room = 0; room < 3'000'000; room += 41'111) {
        const TemporaryFolder folder;
        BlockWriter file{folder / "file", {.direct = false}, std::make_unique<capture::test::FullDisk>(room)};
        PcapngFile writer{file, "capture", veth(), 2};
        for (std::size_t i = 0; i < packets; ++i) writer.add({}, frame(i, frame_bytes(i)), start);
        const auto in_file = writer.finish({});

        const auto bytes = contents_or_none(folder / "file");
        const auto blocks = read_pcapng(bytes);
        ASSERT_TRUE(blocks) << room;
        EXPECT_EQ(writer.file_bytes(), bytes.size());
        EXPECT_EQ(std::ranges::count(*blocks, 6u, &PcapngBlock::type), static_cast<std::ptrdiff_t>(in_file)) << room;
        EXPECT_LE(bytes.size(), room);
        if (in_file == packets) continue;
        EXPECT_EQ(file.error(), ENOSPC) << room;
        EXPECT_LT(room - bytes.size(), 9100u) << "another packet had fitted";
    }
}
