// SPDX-License-Identifier: Apache-2.0
// Any frames, names and times through the pcapng writer, onto a disk or stream that fails, splits and reorders its
// writes in any way: the result can be read strictly by the format, and has the packets that the writer counts.
#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "block_writer.hpp"
#include "pcapng_file.hpp"

namespace {

using capture::BlockWriter;
using capture::PcapngFile;
using capture::Write;

void expect(bool holds, const char* what) {
    if (holds) return;
    std::fprintf(stderr, "not so: %s\n", what);
    std::abort();
}

/// Zeros when the input is used up.
class Input {
public:
    explicit Input(std::span<const std::uint8_t> bytes) : left_{bytes} {}
    bool is_empty() const noexcept { return left_.empty(); }
    std::uint32_t number(std::size_t bytes) {
        std::uint32_t value = 0;
        for (; bytes > 0 && !left_.empty(); --bytes, left_ = left_.subspan(1)) value = value << 8 | left_.front();
        return value;
    }
    std::string text(std::size_t length) {
        length = std::min(length, left_.size());
        std::string made{left_.begin(), left_.begin() + static_cast<std::ptrdiff_t>(length)};
        left_ = left_.subspan(length);
        return made;
    }

private:
    std::span<const std::uint8_t> left_;
};

struct Frame {
    std::size_t row_at;
    std::size_t bytes;
    std::chrono::nanoseconds time;
};

/// Frames are pieces of it.
std::span<const std::uint8_t> row(std::size_t at, std::size_t bytes) {
    static const auto made = [] {
        std::vector<std::uint8_t> row(140'000);
        for (std::size_t i = 0; i < row.size(); ++i) row[i] = static_cast<std::uint8_t>(i * 31 + i / 509);
        return row;
    }();
    return std::span{made}.subspan(at, bytes);
}

/// The file's contents, with room for this much.
struct Disk {
    bool is_stream;
    std::uint64_t room;
    std::uint32_t habits;  ///< two bits each, in turn: writes all, a part, nothing for now, is interrupted
    std::vector<std::uint8_t> bytes{};
};

class DiskQueue final : public capture::WriteQueue {
public:
    explicit DiskQueue(Disk& disk) : disk_{disk} {}

    void submit(int, Write& write) override {
        underway_.push_back(&write);
        if (disk_.is_stream) expect(underway_.size() == 1, "a stream has one write at a time");
    }
    Write* take_done(bool wait) override {
        if (underway_.empty()) return nullptr;
        // Every fifth write succeeds, or some inputs would never end.
        const std::uint32_t habit = turn_ % 5 == 4 ? 0 : disk_.habits >> turn_ % 16 * 2 & 3;
        ++turn_;
        if (habit == 2 && !wait && !disk_.is_stream) return nullptr;
        // A stream keeps the order; a disk ends its writes in any.
        const auto which = disk_.is_stream || habit % 2 == 0 ? underway_.begin() : underway_.end() - 1;
        Write* const write = *which;
        underway_.erase(which);
        write->result = habit == 3 ? -EINTR : put(*write, habit == 1 ? write->bytes / 2 + 1 : write->bytes);
        return write;
    }

private:
    std::int64_t put(const Write& write, std::size_t most) {
        const std::uint64_t at = disk_.is_stream ? disk_.bytes.size() : write.offset;
        if (at >= disk_.room) return disk_.is_stream ? -EPIPE : -ENOSPC;
        const auto bytes = static_cast<std::size_t>(std::min<std::uint64_t>({most, write.bytes, disk_.room - at}));
        if (disk_.bytes.size() < at + bytes) disk_.bytes.resize(at + bytes);
        std::copy_n(write.data, bytes, disk_.bytes.begin() + static_cast<std::ptrdiff_t>(at));
        return static_cast<std::int64_t>(bytes);
    }

    Disk& disk_;
    std::vector<Write*> underway_;
    std::uint32_t turn_ = 0;
};

std::uint32_t load(std::span<const std::uint8_t> bytes, std::size_t at) {
    std::uint32_t value = 0;
    std::memcpy(&value, bytes.data() + at, sizeof value);
    return value;
}

/// Options of a block, from `at` to its end (draft-ietf-opsawg-pcapng, 3.5).
void check_options(std::span<const std::uint8_t> block, std::size_t at) {
    const std::size_t end = block.size() - 4;
    for (;;) {
        expect(at + 4 <= end, "options end with their end");
        const std::uint32_t head = load(block, at);
        const std::size_t bytes = head >> 16;  // in this machine's byte order, a little-endian one
        at += 4 + pktverbs::pcapng::padded(bytes);
        expect(at <= end, "an option lies in its block");
        if ((head & 0xffff) == 0) break;
    }
    expect(at == end, "nothing follows the options");
}

void check_packet(std::span<const std::uint8_t> block, const Frame& frame) {
    expect(load(block, 8) == 0, "the interface is the first");
    const auto time = std::uint64_t{load(block, 12)} << 32 | load(block, 16);
    expect(time == static_cast<std::uint64_t>(frame.time.count()), "a packet has its time");
    expect(load(block, 20) == frame.bytes && load(block, 24) == frame.bytes, "and its length");
    expect(block.size() == 32 + pktverbs::pcapng::padded(frame.bytes), "and no more bytes than that takes");
    expect(std::ranges::equal(block.subspan(28, frame.bytes), row(frame.row_at, frame.bytes)), "and its bytes");
}

/// Complete blocks only, except at the end of a stream. Returns the number of packets.
std::uint64_t check(std::span<const std::uint8_t> file, const std::vector<Frame>& frames, bool is_stream) {
    std::uint64_t packets = 0;
    std::size_t blocks = 0;
    for (std::size_t at = 0; at < file.size(); ++blocks) {
        const std::size_t left = file.size() - at;
        if (is_stream && (left < 8 || load(file, at + 4) > left)) break;
        expect(left >= 12, "a block has a type and two lengths");
        const std::size_t bytes = load(file, at + 4);
        expect(bytes >= 12 && bytes % 4 == 0 && bytes <= left, "a block lies in the file");
        const auto block = file.subspan(at, bytes);
        expect(load(block, bytes - 4) == bytes, "a block ends with its length");
        const std::uint32_t type = load(block, 0);
        expect((blocks == 0) == (type == 0x0a0d0d0a) && (blocks == 1) == (type == 1), "the file begins as it should");
        if (type == 0x0a0d0d0a) check_options(block, 24);
        if (type == 1) check_options(block, 16);
        if (type == 5) check_options(block, 20);
        if (type == 6) {
            expect(packets < frames.size(), "no packet is there twice");
            check_packet(block, frames[packets++]);
        }
        at += bytes;
    }
    return packets;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    Input input{{data, size}};
    const std::uint32_t first = input.number(1);
    Disk disk{.is_stream = (first & 1) != 0, .room = input.number(3), .habits = input.number(4)};
    const std::size_t pieces = 1 + (first >> 1 & 3);
    if ((first >> 3 & 1) != 0) disk.room = ~std::uint64_t{0};
    const pktverbs::pcapng::Interface interface {
        .name = input.text(input.number(1)), .comment = std::string(input.number(3) % 100'000, 'c'),
        .snap_length = input.number(2), .bits_per_second = input.number(4)
    };
    // Neither is opened: the queue holds everything written.
    BlockWriter file{disk.is_stream ? "-" : "/dev/null",
                     {.direct = false, .uring = false, .writes_in_flight = 1 + (first >> 4 & 3)},
                     std::make_unique<DiskQueue>(disk)};
    PcapngFile writer{file, "fuzz", interface, pieces};
    std::vector<Frame> frames;
    std::uint64_t added = 0;
    while (!input.is_empty()) {
        const std::uint32_t what = input.number(1);
        if (what == 0xff) {
            writer.flush();
            continue;
        }
        const std::size_t bytes = input.number(2);
        for (std::uint32_t repeat = 0; repeat <= what % 64; ++repeat) {
            const Frame frame{(frames.size() * 4099 + bytes) % 70'000, bytes,
                              std::chrono::nanoseconds{static_cast<std::int64_t>(frames.size() * 0x1'0000'0001)}};
            const auto whole = row(frame.row_at, bytes);
            const std::size_t split = std::min<std::size_t>(bytes, what);
            writer.add(whole.first(split), whole.subspan(split), frame.time);
            frames.push_back(frame);
        }
        added = frames.size();
        if (added > 2000) break;
    }
    const std::uint64_t packets = writer.finish({.received = added, .delivered = 1});

    expect(writer.file_bytes() <= disk.bytes.size(), "what is said to be there is there");
    const auto there = std::span{disk.bytes}.first(static_cast<std::size_t>(writer.file_bytes()));
    expect(!disk.is_stream || there.size() == disk.bytes.size(), "a stream is as long as what it took");
    expect(check(there, frames, disk.is_stream) == packets, "as many packets are there as the writer says");
    if (file.error() == 0) expect(packets == added, "without an error, all are there");
    if (disk.room == ~std::uint64_t{0}) expect(file.error() == 0, "with room enough nothing fails");
    return 0;
}
