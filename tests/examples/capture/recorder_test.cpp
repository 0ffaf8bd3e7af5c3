// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include <pktverbs/ring/block_ring.hpp>
#include <pktverbs/ring/ring_reader.hpp>
#include <pktverbs/ring/ring_writer.hpp>
#include "disk_thread.hpp"
#include "full_disk.hpp"
#include "recorded_files.hpp"
#include "recorder.hpp"
#include "temporary_folder.hpp"

using capture::BlockWriter;
using capture::DiskThread;
using capture::FlowSequences;
using capture::RawHeader;
using capture::Recorder;
using capture::test::contents;
using capture::test::contents_or_none;
using capture::test::FullDisk;
using capture::test::TemporaryFolder;

namespace {

constexpr std::uint32_t slots = 8;
constexpr pktverbs::RingGeometry geometry{.blocks = 6, .block_slots = slots, .header_bytes = 42, .payload_bytes = 3000};

/// Frame `number` is 60 + number bytes, all of them `number`.
std::uint32_t recorded_bytes(std::uint64_t number) { return static_cast<std::uint32_t>(60 + number); }

/// Hands over blocks in which every slot but the third has a frame.
class Producer {
public:
    explicit Producer(const pktverbs::BlockRing& ring) : writer_{std::in_place, ring} {}

    /// False if no block is free.
    bool produce() {
        const auto block = writer_->open(next_);
        if (!block) return false;
        for (std::uint32_t slot = 0; slot < slots; ++slot, ++next_) {
            const auto& view = writer_->view();
            const auto bytes = recorded_bytes(next_);
            std::memset(view.headers(*block) + slot * view.geometry().header_stride, static_cast<int>(next_), 42);
            std::memset(view.payloads(*block) + slot * view.geometry().payload_stride, static_cast<int>(next_),
                        bytes - 42);
            if (slot != 2) writer_->set_valid(*block, slot, {.length = bytes, .status = 0, .timestamp_ns = next_ + 1});
        }
        writer_->hand_over(*block, 0, slots, slots - 1);
        return true;
    }
    void end() { writer_.reset(); }

private:
    std::optional<pktverbs::RingWriter> writer_;
    std::uint64_t next_ = 0;
};

template <class Number>
Number load(const std::vector<std::uint8_t>& bytes, std::size_t at) {
    Number value{};
    std::memcpy(&value, bytes.data() + at, sizeof value);
    return value;
}

/// Passes all available blocks through a recorder in this thread.
std::uint64_t record(Recorder& recorder, const pktverbs::BlockRing& ring, int blocks) {
    Producer producer{ring};
    pktverbs::RingReader reader{ring};
    for (int i = 0; i < blocks; ++i) {
        while (!producer.produce()) recorder.poll();
        auto block = reader.next(std::chrono::nanoseconds{0});
        EXPECT_TRUE(block);
        recorder.add(std::move(block));
    }
    return recorder.finish({}).packets;
}

FlowSequences no_sequences() { return {{}, {}}; }

}  // namespace

TEST(RawRecorder, WritesBlocksAsTheyAre) {
    const TemporaryFolder folder;
    const pktverbs::BlockRing ring{geometry};
    BlockWriter file{folder / "file", {.writes_in_flight = 3}};
    const auto recorder = capture::make_raw_recorder(file, ring.geometry(), pktverbs::TimestampClock::kernel);
    EXPECT_EQ(record(*recorder, ring, 20), 20u * (slots - 1));

    const auto bytes = contents(folder / "file");
    const auto header = load<RawHeader>(bytes, 0);
    EXPECT_EQ(std::memcmp(&header.magic, "PTVCAPT1", 8), 0);
    EXPECT_EQ(header.slots, slots);
    EXPECT_EQ(header.header_bytes, 42u);
    EXPECT_EQ(header.payload_bytes, 3000u);
    EXPECT_EQ(header.clock, 3u);
    ASSERT_EQ(bytes.size(), RawHeader::page_bytes + 20 * header.block_stride);
    for (std::uint64_t block = 0; block < 20; ++block) {
        const auto start = RawHeader::page_bytes + block * header.block_stride;
        const auto info = load<pktverbs::RingBlockHeader>(bytes, start);
        EXPECT_EQ(info.number, block);
        EXPECT_EQ(info.base, block * slots);
        EXPECT_EQ(load<std::uint64_t>(bytes, start + header.bitmap_offset), 0b1111'1011u);
        for (std::uint32_t slot = 0; slot < slots; ++slot) {
            if (slot == 2) continue;
            const auto number = block * slots + slot;
            const auto known =
                load<pktverbs::RingSlot>(bytes, start + header.slots_offset + slot * sizeof(pktverbs::RingSlot));
            EXPECT_EQ(known.length, recorded_bytes(number));
            EXPECT_EQ(known.timestamp_ns, number + 1);
            EXPECT_EQ(bytes[start + header.headers_offset + slot * header.header_stride + 41], number);
            EXPECT_EQ(bytes[start + header.payloads_offset + slot * header.payload_stride], number);
        }
    }
}

TEST(RawRecorder, LeavesOnlyWholeBlocksOnAFullDisk) {
    const pktverbs::RingLayout layout{geometry.checked()};
    for (std::uint64_t room = 0; room < 12 * layout.block_stride; room += 17'777) {
        const TemporaryFolder folder;
        const pktverbs::BlockRing ring{geometry};
        BlockWriter file{folder / "file", {.direct = false}, std::make_unique<FullDisk>(room)};
        const auto recorder = capture::make_raw_recorder(file, ring.geometry(), pktverbs::TimestampClock::kernel);
        const auto packets = record(*recorder, ring, 12);
        const auto whole = room < RawHeader::page_bytes ? 0 : (room - RawHeader::page_bytes) / layout.block_stride;
        EXPECT_EQ(packets, whole * (slots - 1));
        EXPECT_EQ(contents_or_none(folder / "file").size(),
                  room < RawHeader::page_bytes ? 0 : RawHeader::page_bytes + whole * layout.block_stride);
        EXPECT_EQ(file.error(), ENOSPC);
    }
}

TEST(PcapngRecorder, WritesThePacketsThatAreThere) {
    const TemporaryFolder folder;
    const pktverbs::BlockRing ring{geometry};
    BlockWriter file{folder / "file", {}};
    pktverbs::Context ctx{"wire:recorder", {.send_packets = pktverbs::none, .timestamps = true}};
    const auto recorder = capture::make_pcapng_recorder(file, {.name = "test"}, capture::PacketClock{ctx}, 2);
    EXPECT_EQ(record(*recorder, ring, 20), 20u * (slots - 1));

    const auto bytes = contents(folder / "file");
    std::uint64_t number = 0;
    for (std::size_t at = 0; at < bytes.size(); at += load<std::uint32_t>(bytes, at + 4)) {
        if (load<std::uint32_t>(bytes, at) != 6) continue;
        if (number % slots == 2) ++number;
        EXPECT_EQ(load<std::uint32_t>(bytes, at + 16), number + 1) << "time";
        ASSERT_EQ(load<std::uint32_t>(bytes, at + 20), recorded_bytes(number));
        const auto frame = std::span{bytes}.subspan(at + 28, recorded_bytes(number));
        EXPECT_TRUE(std::ranges::all_of(frame, [&](auto byte) { return byte == number; }));
        ++number;
    }
    EXPECT_EQ(number, 20u * slots);
}

/// Raw files of a ring, one after the other.
capture::RecordedFiles raw_files(const std::string& path, const capture::Rotation& rotation,
                                 const pktverbs::BlockRing& ring) {
    return {path, {.writes_in_flight = 2}, rotation, [&ring](BlockWriter& file) {
                return capture::make_raw_recorder(file, ring.geometry(), pktverbs::TimestampClock::kernel);
            }};
}

TEST(RecordedFiles, AreOneWithoutARotation) {
    const TemporaryFolder folder;
    const pktverbs::BlockRing ring{geometry};
    auto files = raw_files(folder / "a.file", {}, ring);
    EXPECT_EQ(record(files, ring, 20), 20u * (slots - 1));
    EXPECT_EQ(files.count(), 1u);
    EXPECT_EQ(folder.files(), 1);
    EXPECT_EQ(load<std::uint64_t>(contents(folder / "a.file"), 0), RawHeader::magic_number);
}

TEST(RecordedFiles, FollowEachOtherBetweenBlocks) {
    const TemporaryFolder folder;
    const pktverbs::BlockRing ring{geometry};
    // Any block is long enough.
    auto files = raw_files(folder / "a.file", {.bytes = 1}, ring);
    EXPECT_EQ(record(files, ring, 20), 20u * (slots - 1));
    EXPECT_EQ(files.name(), folder / "a-00020.file");
    EXPECT_EQ(folder.files(), 20);
    std::uint64_t blocks = 0;
    for (std::uint64_t number = 1; number <= 20; ++number) {
        const auto bytes = contents(folder / fmt::format("a-{:05}.file", number).c_str());
        ASSERT_EQ(bytes.size(), RawHeader::page_bytes + load<RawHeader>(bytes, 0).block_stride);
        EXPECT_EQ(load<std::uint64_t>(bytes, RawHeader::page_bytes), blocks++) << "the block's number";
    }
    EXPECT_EQ(blocks, 20u);
}

TEST(RecordedFiles, DoNotFollowAStream) {
    const pktverbs::BlockRing ring{geometry};
    EXPECT_THROW(raw_files("/dev/null", {.bytes = 900}, ring), std::system_error);
}

TEST(PacketClock, GivesATimeToPacketsThatHaveNone) {
    pktverbs::Context ctx{"wire:recorder", {.send_packets = pktverbs::none}};
    const auto before = std::chrono::system_clock::now().time_since_epoch();
    const capture::PacketClock clock{ctx};
    EXPECT_GE(clock.at({}), before);
    EXPECT_LE(clock.at({}), std::chrono::system_clock::now().time_since_epoch());
    EXPECT_EQ(clock.at(std::chrono::nanoseconds{5}), std::chrono::nanoseconds{5}) << "it is of CLOCK_REALTIME";
}

TEST(DiskThread, TakesEverythingThatWasHandedOver) {
    const TemporaryFolder folder;
    const pktverbs::BlockRing ring{geometry};
    BlockWriter file{folder / "file", {.writes_in_flight = 2}};
    const auto recorder = capture::make_raw_recorder(file, ring.geometry(), pktverbs::TimestampClock::kernel);
    auto sequences = no_sequences();
    Producer producer{ring};
    DiskThread disk{ring, *recorder, sequences, [] { ADD_FAILURE() << "nothing failed"; }};
    for (int i = 0; i < 30; ++i) {
        while (!producer.produce()) std::this_thread::yield();
    }
    producer.end();
    disk.join();
    EXPECT_EQ(disk.packets(), 30u * (slots - 1));
    EXPECT_EQ(recorder->finish({}).packets, 30u * (slots - 1));
}

TEST(DiskThread, GoesOnTakingWhenTheDiskIsFull) {
    const TemporaryFolder folder;
    const pktverbs::BlockRing ring{geometry};
    BlockWriter file{folder / "file", {.direct = false}, std::make_unique<FullDisk>(70'000)};
    const auto recorder = capture::make_raw_recorder(file, ring.geometry(), pktverbs::TimestampClock::kernel);
    auto sequences = no_sequences();
    Producer producer{ring};
    std::atomic<int> failures = 0;
    DiskThread disk{ring, *recorder, sequences, [&] { ++failures; }};
    for (int i = 0; i < 30; ++i) {
        while (!producer.produce()) std::this_thread::yield();
    }
    producer.end();
    disk.join();
    EXPECT_EQ(failures, 1);
    EXPECT_EQ(disk.packets(), 30u * (slots - 1));
    EXPECT_EQ(recorder->finish({}).packets, 2u * (slots - 1));
}
