// SPDX-License-Identifier: Apache-2.0
// A whole recording in one process, from a generator on the same wire.
#include <gtest/gtest.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <map>
#include <optional>
#include <set>
#include <stop_token>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <pktverbs/counters/counters.hpp>
#include <pktverbs/soft/wire.hpp>
#include <pktverbs/time/rate.hpp>
#include "common/generator.hpp"
#include "expect_error.hpp"
#include "fifo.hpp"
#include "recording.hpp"
#include "temporary_folder.hpp"

using capture::Arguments;
using capture::Drop;
using capture::Format;
using capture::Policy;
using capture::Recording;
using capture::Summary;
using capture::UdpFlow;
using capture::test::contents;
using capture::test::TemporaryFolder;
using pktverbs::soft::Wire;
namespace net = pktverbs::net;
using pktverbs::soft::WireFaults;

namespace {

constexpr WireFaults faults{.loss = 0.01, .duplication = 0.01, .reordering = 0.01, .seed = 20261121};
constexpr std::uint64_t count = 20'000;
const std::string group = "239.1.2.3";

/// The numbers of the packets in a pcapng file, in its order, by destination port.
std::map<std::uint16_t, std::vector<std::uint64_t>> numbers_in(const std::string& path) {
    const auto file = contents(path);
    std::map<std::uint16_t, std::vector<std::uint64_t>> numbers;
    std::uint32_t block[2]{};
    for (std::size_t at = 0; at < file.size(); at += block[1]) {
        std::memcpy(block, file.data() + at, sizeof block);
        if (block[0] != 6) continue;
        const auto* frame = file.data() + at + sizeof(pktverbs::pcapng::PacketHeader);
        numbers[net::load<std::uint16_t>(frame + 36)].push_back(net::load<std::uint64_t>(frame + 42));
    }
    return numbers;
}

class RecordingTest : public testing::Test {
protected:
    RecordingTest() {
        args.device = "wire:recording";
        args.output = folder / "file";
        args.flows = {UdpFlow::parse(group + ":7148").value()};
        args.sequence = pktverbs::SequenceField{.from = pktverbs::SequenceOrigin::udp_payload};
        args.payload_bytes = 100;
    }

    /// Records what generators send, `count` packets to each port.
    Summary record(const WireFaults& wire_faults, const std::vector<std::uint16_t>& ports = {7148}) {
        Recording recording{args, pktverbs::find_device(args.device)};
        std::stop_source stop;
        std::jthread thread{[&] { recording.run(stop.get_token()); }};
        pktverbs::Context ctx{args.device, {.recv_packets = pktverbs::none}};
        wire.set_faults(wire_faults);
        for (const auto port : ports) {
            example::Stream stream;
            stream.dst_ip = pktverbs::Ipv4Address{group};
            stream.dst_mac = stream.dst_ip.multicast_mac();
            stream.port = port;
            stream.payload_bytes = 100;
            example::Generator generator{ctx, stream};
            example::Pace pace;
            pace.count = count;
            pace.rate = rate;
            generator.run(pace, {}, [](std::uint64_t) {});
        }
        wire.release_held();
        stop.request_stop();
        thread.join();
        auto summary = recording.finish();
        recording.check();
        flows = recording.sequences().flows();
        return summary;
    }

    /// Each frame that the wire delivered is in exactly one count.
    void expect_sum(const Summary& summary) const {
        const auto& counts = summary.counts;
        EXPECT_EQ(counts.received + counts.device.lost(), wire.counters().delivered) << summary.where;
        EXPECT_EQ(counts.received, counts.written + counts.dropped());
        EXPECT_EQ(summary.file_bytes, contents(args.output).size());
    }

    TemporaryFolder folder;
    Wire wire{"recording"};
    Arguments args;
    /// Enough buffers while another thread has the processor; `none` is for tests that lose packets.
    std::optional<pktverbs::Rate> rate = pktverbs::Rate::packets(200'000);
    std::vector<capture::FlowSequences::Flow> flows;
};

}  // namespace

TEST_F(RecordingTest, PutsEachNumberIntoTheFileOnce) {
    const auto summary = record(faults);
    expect_sum(summary);
    const auto numbers = numbers_in(args.output)[7148];
    EXPECT_EQ(numbers.size(), summary.counts.written);
    EXPECT_TRUE(std::ranges::is_sorted(numbers));
    EXPECT_EQ(std::ranges::adjacent_find(numbers), numbers.end()) << "a number is there twice";
    EXPECT_EQ(summary.counts.missing, numbers.back() - numbers.front() + 1 - numbers.size());
    EXPECT_GT(summary.counts.missing, 0u);
    EXPECT_GT(summary.counts.drops[static_cast<std::size_t>(Drop::duplicate)], 0u);
}

TEST_F(RecordingTest, KeepsTheOrderOfArrivalOfSeveralFlows) {
    args.flows.push_back(UdpFlow::parse("any:1").value());
    args.flows.push_back(UdpFlow::parse(group + ":7149").value());
    const auto summary = record(faults, {7148, 7149});
    expect_sum(summary);
    const auto numbers = numbers_in(args.output);
    ASSERT_EQ(flows.size(), 3u);
    for (const auto& [flow, port] : {std::pair{flows[0], 7148}, std::pair{flows[2], 7149}}) {
        const auto& in_file = numbers.at(static_cast<std::uint16_t>(port));
        const std::set<std::uint64_t> distinct{in_file.begin(), in_file.end()};
        EXPECT_EQ(flow.packets, in_file.size());
        EXPECT_EQ(flow.numbers.duplicated(), in_file.size() - distinct.size());
        EXPECT_EQ(flow.numbers.missing(), *distinct.rbegin() - *distinct.begin() + 1 - distinct.size());
        EXPECT_GT(flow.numbers.duplicated(), 0u);
        EXPECT_GT(flow.numbers.reordered(), 0u);
    }
    EXPECT_EQ(flows[1].packets, 0u);
}

TEST_F(RecordingTest, AddsUpWithAnyPolicyAndASmallRing) {
    rate.reset();
    for (const auto policy : {Policy::drop, Policy::wait, Policy::overwrite}) {
        for (const auto format : {Format::pcapng, Format::raw}) {
            SCOPED_TRACE(static_cast<int>(policy));
            SCOPED_TRACE(static_cast<int>(format));
            wire =
                Wire{"recording" + std::to_string(static_cast<int>(policy)) + std::to_string(static_cast<int>(format))};
            args.device =
                "wire:recording" + std::to_string(static_cast<int>(policy)) + std::to_string(static_cast<int>(format));
            args.policy = policy;
            args.format = format;
            args.blocks = 4;
            args.block_slots = 32;
            expect_sum(record(faults));
        }
    }
}

TEST_F(RecordingTest, EndsByItselfWithEnoughPackets) {
    args.count = 100;
    Recording recording{args, pktverbs::find_device(args.device)};
    pktverbs::soft::WireTap tap{"recording"};
    std::jthread thread{[&] { recording.run({}); }};
    example::Stream stream;
    stream.dst_ip = pktverbs::Ipv4Address{group};
    stream.dst_mac = stream.dst_ip.multicast_mac();
    pktverbs::Context ctx{args.device, {.recv_packets = pktverbs::none}};
    stream.payload_bytes = 20;
    example::Generator generator{ctx, stream};
    example::Pace pace;
    pace.count = 100;
    generator.run(pace, {}, [](std::uint64_t) {});
    thread.join();
    const auto summary = recording.finish();
    EXPECT_EQ(summary.counts.received, 100u);
    EXPECT_EQ(summary.counts.written, 100u);
    EXPECT_EQ(numbers_in(args.output)[7148].size(), 100u);
}

TEST_F(RecordingTest, EndsAtOnceWhenTheDiskIsFull) {
    args.output = "/dev/full";
    args.format = Format::raw;  // which writes at once
    Recording recording{args, pktverbs::find_device(args.device)};
    recording.run({});
    const auto summary = recording.finish();
    EXPECT_EQ(summary.counts.written, 0u);
    EXPECT_NE(pktverbs::testing::expect_error(ENOSPC, [&] { recording.check(); }).find("cannot write /dev/full"),
              std::string::npos);
}

TEST_F(RecordingTest, GoesToAFifoAsItGoesToAFile) {
    capture::test::Fifo fifo;
    args.output = fifo.path();
    std::vector<std::uint8_t> bytes;
    std::jthread reader{[&] { bytes = fifo.read_all(); }};
    const auto summary = record(faults);
    reader.join();
    EXPECT_EQ(summary.file_bytes, bytes.size());
    EXPECT_EQ(summary.where, "into " + fifo.path());
    const auto copy = folder / "copy";
    std::ofstream{copy, std::ios::binary}.write(reinterpret_cast<const char*>(bytes.data()),
                                                static_cast<std::streamsize>(bytes.size()));
    const auto numbers = numbers_in(copy)[7148];
    EXPECT_EQ(numbers.size(), summary.counts.written);
    EXPECT_TRUE(std::ranges::is_sorted(numbers));
}

TEST_F(RecordingTest, EndsWithItsSumWhenTheFifoHasNoReader) {
    capture::test::Fifo fifo;
    args.output = fifo.path();
    args.policy = Policy::wait;
    args.blocks = 4;
    args.block_slots = 16;
    std::stop_source interrupt;
    Recording recording{args, pktverbs::find_device(args.device), interrupt.get_token()};
    std::jthread thread{[&] { recording.run(); }};
    pktverbs::Context ctx{args.device, {.recv_packets = pktverbs::none}};
    example::Stream stream;
    stream.dst_ip = pktverbs::Ipv4Address{group};
    stream.dst_mac = stream.dst_ip.multicast_mac();
    stream.payload_bytes = 100;
    example::Generator generator{ctx, stream};
    example::Pace pace;
    pace.count = 200;
    generator.run(pace, {}, [](std::uint64_t) {});
    interrupt.request_stop();
    thread.join();
    const auto summary = recording.finish();
    EXPECT_EQ(summary.counts.written, 0u);
    EXPECT_EQ(summary.counts.received + summary.counts.device.lost(), 200u);
    EXPECT_EQ(summary.counts.received, summary.counts.dropped());
    EXPECT_NE(pktverbs::testing::expect_error(ENXIO, [&] { recording.check(); }).find("which has no reader"),
              std::string::npos);
}

TEST_F(RecordingTest, LeavesTheFileThatIsThereWhenItCannotBegin) {
    std::ofstream{args.output} << "old";
    args.flows.push_back(UdpFlow::parse("any:7148").value());
    args.cpus = {1023};
    {
        Recording recording{args, pktverbs::find_device(args.device)};
        pktverbs::testing::expect_error(EINVAL, [&] { recording.run({}); });
    }
    args.payload_bytes = 65507;
    args.sequence->offset = 65507;
    args.flows.pop_back();
    pktverbs::testing::expect_error(EINVAL, [&] { Recording(args, pktverbs::find_device(args.device)); });
    EXPECT_EQ(contents(args.output).size(), 3u);
    EXPECT_EQ(folder.files(), 1);
}

TEST_F(RecordingTest, EndsAfterAPacketThatIsTooLong) {
    Recording recording{args, pktverbs::find_device(args.device)};
    std::stop_source stop;
    std::jthread thread{[&] { recording.run(stop.get_token()); }};
    pktverbs::soft::WireTap tap{"recording"};
    const net::FrameTemplate headers{net::Ethernet{.dst = pktverbs::Ipv4Address{group}.multicast_mac()},
                                     net::Ipv4{.dst = pktverbs::Ipv4Address{group}},
                                     net::Udp{.dst_port = 7148, .checksum = false}};
    std::vector<std::uint8_t> frame(headers.frame_bytes(4000));
    headers.write(frame, 4000);
    tap.send(frame);
    stop.request_stop();
    thread.join();
    EXPECT_EQ(recording.finish().counts.written, 0u);
}

TEST_F(RecordingTest, PlacesTaggedPacketsByTheirNumbersToo) {
    args.payload_bytes = 104;  // with a tag
    Recording recording{args, pktverbs::find_device(args.device)};
    std::stop_source stop;
    std::jthread thread{[&] { recording.run(stop.get_token()); }};
    pktverbs::soft::WireTap tap{"recording"};
    for (std::uint32_t number = 0; number < 100; ++number) {
        net::Ethernet ethernet{.dst = pktverbs::Ipv4Address{group}.multicast_mac()};
        if (number % 2 == 0) ethernet.vlan = net::Vlan{.id = 3};
        const net::FrameTemplate headers{ethernet, net::Ipv4{.dst = pktverbs::Ipv4Address{group}},
                                         net::Udp{.dst_port = 7148, .checksum = false}};
        std::vector<std::uint8_t> frame(headers.frame_bytes(100));
        headers.write(frame, 100);
        net::store(frame.data() + headers.header_bytes(), std::uint64_t{number});
        tap.send(frame);
    }
    stop.request_stop();
    thread.join();
    const auto summary = recording.finish();
    EXPECT_EQ(summary.counts.written, 100u);
    EXPECT_EQ(summary.counts.dropped() + summary.counts.missing, 0u);
    EXPECT_EQ(recording.sequences().flows()[0].packets, 100u);
}

TEST_F(RecordingTest, StopsItsThreadsWhenOneCannotBePinned) {
    args.cpus = {1023};
    Recording recording{args, pktverbs::find_device(args.device)};
    EXPECT_NE(pktverbs::testing::expect_error(EINVAL, [&] { recording.run({}); }).find("CPU 1023"), std::string::npos);
}
