// SPDX-License-Identifier: Apache-2.0
#include <pktverbs/pcapng/writer.hpp>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <numeric>
#include <span>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "base/file_descriptor.hpp"
#include "read_pcapng.hpp"
#include "tshark.hpp"

namespace pktverbs {
namespace {

using namespace std::chrono_literals;
using test::PcapngBlock;
using test::read_pcapng;
using Bytes = std::vector<std::uint8_t>;

constexpr std::chrono::nanoseconds start{1'700'000'000'123'456'789};
constexpr std::uint32_t interface_type = 1, packet_type = 6;

/// Of a length and content of its own.
Bytes numbered_frame(std::size_t number) {
    Bytes frame(60 + number * 1237 % 8957);
    std::iota(frame.begin(), frame.end(), static_cast<std::uint8_t>(number));
    return frame;
}

FileDescriptor memory_file() { return FileDescriptor{memfd_create("pcapng", MFD_CLOEXEC)}; }

Bytes file_contents(int fd) {
    struct stat status {};
    EXPECT_EQ(fstat(fd, &status), 0);
    Bytes bytes(static_cast<std::size_t>(status.st_size));
    EXPECT_EQ(pread(fd, bytes.data(), bytes.size(), 0), status.st_size);
    return bytes;
}

struct Pipe {
    explicit Pipe(int flags = 0) {
        int ends[2];
        if (pipe2(ends, O_CLOEXEC | flags) != 0) return;
        out = FileDescriptor{ends[0]};
        in = FileDescriptor{ends[1]};
    }
    FileDescriptor out, in;
};

/// Where a packet's bytes stand in its block, with their padding.
Bytes packet_bytes(const PcapngBlock& block) { return {block.body.begin() + 20, block.body.end()}; }

Bytes with_padding(Bytes frame) {
    frame.resize(pcapng::padded(frame.size()));
    return frame;
}

template <class Number>
std::string as_option(Number number) {
    return {reinterpret_cast<const char*>(&number), sizeof number};
}

TEST(PcapngBlocks, BeginWithASection) {
    const auto blocks = read_pcapng(pcapng::section_header("a test"));
    ASSERT_TRUE(blocks);
    ASSERT_EQ(blocks->size(), 1u);
    const auto& section = blocks->front();
    EXPECT_EQ(section.type, 0x0a0d0d0a);
    EXPECT_EQ(section.number<std::uint32_t>(0), 0x1a2b3c4d);
    EXPECT_EQ(section.number<std::uint16_t>(4), 1) << "major version";
    EXPECT_EQ(section.number<std::uint16_t>(6), 0) << "minor version";
    EXPECT_EQ(section.number<std::int64_t>(8), -1) << "length";
    EXPECT_EQ(section.option(16, 4), "a test");
}

TEST(PcapngBlocks, DescribeAnInterface) {
    const auto blocks = read_pcapng(pcapng::interface_description(
        {.name = "veth0", .comment = "udp", .snap_length = 128, .bits_per_second = 25'000'000'000}));
    ASSERT_TRUE(blocks);
    const auto& interface = blocks->front();
    EXPECT_EQ(interface.type, 1u);
    EXPECT_EQ(interface.number<std::uint16_t>(0), 1) << "Ethernet";
    EXPECT_EQ(interface.number<std::uint32_t>(4), 128u);
    EXPECT_EQ(interface.option(8, 1), "udp");
    EXPECT_EQ(interface.option(8, 2), "veth0");
    EXPECT_EQ(interface.option(8, 8), as_option(std::uint64_t{25'000'000'000}));
    EXPECT_EQ(interface.option(8, 9), as_option(std::uint8_t{9})) << "nanoseconds";
}

TEST(PcapngBlocks, LeaveOutWhatIsNotKnown) {
    const auto blocks = read_pcapng(pcapng::interface_description({}));
    ASSERT_TRUE(blocks);
    for (const int code : {1, 2, 8}) EXPECT_FALSE(blocks->front().option(8, static_cast<std::uint16_t>(code))) << code;
}

TEST(PcapngBlocks, CutNamesThatNoOptionHolds) {
    const auto blocks = read_pcapng(pcapng::interface_description({.name = std::string(100'000, 'x')}));
    ASSERT_TRUE(blocks);
    EXPECT_EQ(blocks->front().option(8, 2), std::string(65535, 'x'));
}

TEST(PcapngBlocks, HaveStatistics) {
    const auto blocks = read_pcapng(
        pcapng::interface_statistics({.start = start, .end = start + 5s, .received = 7, .dropped = 6, .delivered = 1}));
    ASSERT_TRUE(blocks);
    const auto& statistics = blocks->front();
    EXPECT_EQ(statistics.type, 5u);
    EXPECT_EQ(statistics.number<std::uint32_t>(0), 0u) << "interface";
    const auto time = [](std::chrono::nanoseconds at) {
        const auto ticks = static_cast<std::uint64_t>(at.count());
        return as_option(static_cast<std::uint32_t>(ticks >> 32)) + as_option(static_cast<std::uint32_t>(ticks));
    };
    EXPECT_EQ(statistics.option(12, 2), time(start));
    EXPECT_EQ(statistics.option(12, 3), time(start + 5s));
    EXPECT_EQ(statistics.option(12, 4), as_option(std::uint64_t{7}));
    EXPECT_EQ(statistics.option(12, 5), as_option(std::uint64_t{6}));
    EXPECT_EQ(statistics.option(12, 8), as_option(std::uint64_t{1}));
}

TEST(PcapngWriter, WritesWhatTheFormatSays) {
    const auto file = memory_file();
    const auto frame = numbered_frame(1'001);
    PcapngWriter writer{file.get(), "a test", {.name = "eth0"}};
    writer.add(frame, start);
    writer.add(std::span{frame}.first(42), std::span{frame}.subspan(42), start + 1ns);
    EXPECT_EQ(writer.packets(), 2u);
    EXPECT_TRUE(file_contents(file.get()).empty()) << "it is all in the buffer";
    EXPECT_TRUE(writer.finish({.start = start, .end = start + 5s, .received = 2}));
    EXPECT_EQ(writer.error(), 0);

    const auto blocks = read_pcapng(file_contents(file.get()));
    ASSERT_TRUE(blocks);
    ASSERT_EQ(blocks->size(), 5u);
    EXPECT_EQ((*blocks)[0].type, 0x0a0d0d0a);
    EXPECT_EQ((*blocks)[0].option(16, 4), "a test");
    EXPECT_EQ((*blocks)[1].type, 1u);
    EXPECT_EQ((*blocks)[1].option(8, 2), "eth0");
    for (std::size_t i = 0; i < 2; ++i) {
        const auto& packet = (*blocks)[2 + i];
        EXPECT_EQ(packet.type, packet_type);
        EXPECT_EQ(packet.number<std::uint32_t>(0), 0u) << "interface";
        EXPECT_EQ(std::uint64_t{packet.number<std::uint32_t>(4)} << 32 | packet.number<std::uint32_t>(8),
                  static_cast<std::uint64_t>(start.count()) + i);
        EXPECT_EQ(packet.number<std::uint32_t>(12), frame.size());
        EXPECT_EQ(packet.number<std::uint32_t>(16), frame.size());
        EXPECT_EQ(packet_bytes(packet), with_padding(frame));
    }
    EXPECT_EQ((*blocks)[4].type, 5u);
    EXPECT_EQ((*blocks)[4].option(12, 8), as_option(std::uint64_t{2})) << "delivered";
}

TEST(PcapngWriter, CutsFramesToTheSnapLength) {
    const auto file = memory_file();
    const auto frame = numbered_frame(2);
    PcapngWriter writer{file.get(), "a test", {.snap_length = 45}};
    writer.add(frame, start);
    writer.add(std::span{frame}.first(42), std::span{frame}.subspan(42), start);
    writer.add(std::span{frame}.first(50), std::span{frame}.subspan(50), start);
    writer.add(std::span{frame}.first(45), start);
    writer.add(std::span{frame}.first(44), start);
    ASSERT_TRUE(writer.flush());
    const auto blocks = read_pcapng(file_contents(file.get()));
    ASSERT_TRUE(blocks);
    ASSERT_EQ(blocks->size(), 7u);
    EXPECT_EQ((*blocks)[1].number<std::uint32_t>(4), 45u);
    const std::size_t captured[]{45, 45, 45, 45, 44}, original[]{frame.size(), frame.size(), frame.size(), 45, 44};
    for (std::size_t i = 0; i < 5; ++i) {
        const auto& packet = (*blocks)[2 + i];
        EXPECT_EQ(packet.number<std::uint32_t>(12), captured[i]) << i;
        EXPECT_EQ(packet.number<std::uint32_t>(16), original[i]) << i;
        const auto front = frame.begin() + static_cast<std::ptrdiff_t>(captured[i]);
        EXPECT_EQ(packet_bytes(packet), with_padding({frame.begin(), front})) << i;
    }
}

TEST(PcapngWriter, DescribesEachInterfaceOnce) {
    const auto file = memory_file();
    const auto frame = numbered_frame(2);
    PcapngWriter writer{file.get(), "a test", {.name = "eth0"}};
    EXPECT_EQ(writer.add_interface({.name = "eth1", .snap_length = 45}), 1u);
    writer.add(frame, start, 1);
    writer.add(frame, start);
    EXPECT_EQ(writer.add_interface({.name = "eth2", .snap_length = 50}), 2u) << "also after packets of others";
    writer.add(std::span{frame}.first(42), std::span{frame}.subspan(42), start, 2);
    writer.add(frame, start, 1);
    ASSERT_TRUE(writer.flush());

    const auto blocks = read_pcapng(file_contents(file.get()));
    ASSERT_TRUE(blocks);
    std::vector<std::string> names;
    std::vector<std::uint32_t> interfaces, captured;
    for (const PcapngBlock& block : *blocks) {
        if (block.type == interface_type) names.push_back(block.option(8, 2).value_or("no name"));
        if (block.type != packet_type) continue;
        interfaces.push_back(block.number<std::uint32_t>(0));
        ASSERT_LT(interfaces.back(), names.size()) << "a packet before the description of its interface";
        captured.push_back(block.number<std::uint32_t>(12));
        EXPECT_EQ(block.number<std::uint32_t>(16), frame.size());
        const auto front = frame.begin() + static_cast<std::ptrdiff_t>(captured.back());
        EXPECT_EQ(packet_bytes(block), with_padding({frame.begin(), front}));
    }
    EXPECT_EQ(names, (std::vector<std::string>{"eth0", "eth1", "eth2"}));
    EXPECT_EQ(interfaces, (std::vector<std::uint32_t>{1, 0, 2, 1}));
    EXPECT_EQ(captured, (std::vector<std::uint32_t>{45, static_cast<std::uint32_t>(frame.size()), 50, 45}));
}

TEST(PcapngWriter, CountsThePacketsOfEachInterface) {
    const auto file = memory_file();
    PcapngWriter writer{file.get(), "a test", {.name = "eth0"}};
    const std::uint32_t second = writer.add_interface({.name = "eth1"});
    for (std::size_t i = 0; i < 5; ++i) writer.add(numbered_frame(i), start, i < 2 ? 0 : second);
    EXPECT_EQ(writer.packets(), 5u);
    EXPECT_EQ(writer.packets(0), 2u);
    EXPECT_EQ(writer.packets(second), 3u);
    EXPECT_EQ(writer.packets(second + 1), 0u);
    EXPECT_TRUE(writer.finish({.start = start, .end = start + 1s, .received = 20}));
    EXPECT_TRUE(writer.finish({.start = start, .end = start + 1s, .received = 30}, second));

    const auto blocks = read_pcapng(file_contents(file.get()));
    ASSERT_TRUE(blocks);
    const std::uint64_t received[]{20, 30}, delivered[]{2, 3};
    for (std::uint32_t i = 0; i < 2; ++i) {
        const PcapngBlock& statistics = (*blocks)[blocks->size() - 2 + i];
        EXPECT_EQ(statistics.type, 5u);
        EXPECT_EQ(statistics.number<std::uint32_t>(0), i);
        EXPECT_EQ(statistics.option(12, 4), as_option(received[i]));
        EXPECT_EQ(statistics.option(12, 8), as_option(delivered[i]));
    }
}

TEST(PcapngWriter, EndsWithAFrameOfNoInterface) {
    const auto file = memory_file();
    PcapngWriter writer{file.get(), "a test", {}};
    writer.add(numbered_frame(1), start);
    ASSERT_TRUE(writer.flush());
    const auto before = file_contents(file.get());
    writer.add(numbered_frame(2), start, 1);
    EXPECT_EQ(writer.error(), EINVAL);
    writer.add(numbered_frame(3), start);
    EXPECT_FALSE(writer.flush());
    EXPECT_FALSE(writer.finish({}));
    EXPECT_EQ(writer.packets(), 1u);
    EXPECT_EQ(file_contents(file.get()), before);

    PcapngWriter other{file.get(), "a test", {}};
    EXPECT_FALSE(other.finish({}, 1));
    EXPECT_EQ(other.error(), EINVAL);
}

TEST(PcapngWriter, KeepsEveryPacketOfManyBuffers) {
    constexpr std::size_t packets = 1000;  // 4.5 MB
    const auto file = memory_file();
    PcapngWriter writer{file.get(), "a test", {}};
    for (std::size_t i = 0; i < packets; ++i) writer.add(numbered_frame(i), start);
    ASSERT_TRUE(writer.finish({}));
    const auto blocks = read_pcapng(file_contents(file.get()));
    ASSERT_TRUE(blocks);
    ASSERT_EQ(blocks->size(), packets + 3);
    for (std::size_t i = 0; i < packets; ++i)
        ASSERT_EQ(packet_bytes((*blocks)[2 + i]), with_padding(numbered_frame(i))) << i;
}

TEST(PcapngWriter, WritesAFrameThatIsLongerThanItsBuffer) {
    const auto file = memory_file();
    PcapngWriter writer{file.get(), "a test", {}};
    const Bytes frame(PcapngWriter::buffer_bytes + 1, 7);
    writer.add(frame, start);
    ASSERT_TRUE(writer.flush());
    const auto blocks = read_pcapng(file_contents(file.get()));
    ASSERT_TRUE(blocks);
    EXPECT_EQ(packet_bytes(blocks->back()), with_padding(frame));
}

TEST(PcapngWriter, ShowsAPipesReaderWhatWasFlushed) {
    const Pipe pipe;
    PcapngWriter writer{pipe.in.get(), "a test", {}};
    writer.add(numbered_frame(1), start);
    ASSERT_TRUE(writer.flush());
    Bytes seen(65536);
    const auto bytes = read(pipe.out.get(), seen.data(), seen.size());
    ASSERT_GT(bytes, 0);
    const auto blocks = read_pcapng(std::span{seen}.first(static_cast<std::size_t>(bytes)));
    ASSERT_TRUE(blocks);
    EXPECT_EQ(blocks->back().type, packet_type);
}

TEST(PcapngWriter, WaitsForAPipeThatIsFull) {
    constexpr std::size_t packets = 1000;
    for (const int flags : {0, O_NONBLOCK}) {
        Pipe pipe{flags};
        Bytes seen;
        std::thread reader{[&] {
            fcntl(pipe.out.get(), F_SETFL, 0);  // it is the writer's end that doesn't block
            Bytes part(5000);
            for (ssize_t bytes = 0; (bytes = read(pipe.out.get(), part.data(), part.size())) > 0;)
                seen.insert(seen.end(), part.begin(), part.begin() + bytes);
        }};
        {
            PcapngWriter writer{pipe.in.get(), "a test", {}};
            for (std::size_t i = 0; i < packets; ++i) writer.add(numbered_frame(i), start);
            EXPECT_TRUE(writer.finish({}));
        }
        pipe.in = FileDescriptor{};
        reader.join();
        const auto blocks = read_pcapng(seen);
        ASSERT_TRUE(blocks);
        EXPECT_EQ(std::ranges::count(*blocks, packet_type, &PcapngBlock::type), std::ptrdiff_t{packets});
    }
}

TEST(PcapngWriter, FlushesInTheEnd) {
    const auto file = memory_file();
    { PcapngWriter{file.get(), "a test", {}}.add(numbered_frame(1), start); }
    const auto blocks = read_pcapng(file_contents(file.get()));
    ASSERT_TRUE(blocks);
    EXPECT_EQ(blocks->size(), 3u);
}

TEST(PcapngWriter, EndsWithTheFirstWriteThatFails) {
    const FileDescriptor full{open("/dev/full", O_WRONLY | O_CLOEXEC)};
    const auto file = memory_file();
    const FileDescriptor target{dup(full.get())};
    PcapngWriter writer{target.get(), "a test", {}};
    writer.add(numbered_frame(1), start);
    EXPECT_EQ(writer.error(), 0);
    EXPECT_FALSE(writer.flush());
    EXPECT_EQ(writer.error(), ENOSPC);
    // There is room again, but a file with a gap would be worse than one that ends.
    ASSERT_GE(dup2(file.get(), target.get()), 0);
    writer.add(numbered_frame(2), start);
    EXPECT_EQ(writer.packets(), 1u);
    EXPECT_FALSE(writer.flush());
    EXPECT_FALSE(writer.finish({}));
    EXPECT_EQ(writer.error(), ENOSPC);
    EXPECT_TRUE(file_contents(file.get()).empty());
}

TEST(PcapngWriter, ReportsThatAPipesReaderHasClosed) {
    auto* const before = std::signal(SIGPIPE, SIG_IGN);
    {
        Pipe pipe;
        pipe.out = FileDescriptor{};
        PcapngWriter writer{pipe.in.get(), "a test", {}};
        EXPECT_FALSE(writer.flush());
        EXPECT_EQ(writer.error(), EPIPE);
    }
    std::signal(SIGPIPE, before);
}

TEST(PcapngWriter, IsReadByTshark) {
    if (!test::has_tshark()) GTEST_SKIP() << "no tshark here; its Debian package is tshark";
    constexpr std::size_t packets = 100;
    char path[] = "/tmp/pktverbs-pcapng-XXXXXX";
    const FileDescriptor file{mkstemp(path)};
    PcapngWriter writer{file.get(), "a test", {.name = "veth0"}};
    const std::uint32_t other = writer.add_interface({.name = "veth1"});
    std::string expected;
    for (std::size_t i = 0; i < packets; ++i) {
        writer.add(numbered_frame(i), start + i * 1001ns, i % 3 == 0 ? other : 0);
        expected += std::to_string(numbered_frame(i).size()) + "\t1700000000." + std::to_string(123456789 + i * 1001) +
                    (i % 3 == 0 ? "\t1\tveth1\n" : "\t0\tveth0\n");
    }
    for (const std::uint32_t interface : {std::uint32_t{0}, other})
        ASSERT_TRUE(writer.finish({.start = start, .end = start + 1s, .received = packets}, interface));
    const std::string output = std::string{path} + ".txt";
    const std::string command =
        std::string{"tshark -r "} + path +
        " -T fields -e frame.len -e frame.time_epoch -e frame.interface_id -e frame.interface_name > " + output +
        " 2>/dev/null";
    EXPECT_EQ(std::system(command.c_str()), 0);
    std::stringstream text;
    text << std::ifstream{output}.rdbuf();
    EXPECT_EQ(text.str(), expected);
    unlink(path);
    unlink(output.c_str());
}

}  // namespace
}  // namespace pktverbs
