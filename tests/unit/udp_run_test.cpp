// SPDX-License-Identifier: Apache-2.0
// UdpRun and SegmentCutter: frames that become one frame, and are the same again after it.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <deque>
#include <random>
#include <span>
#include <string>
#include <vector>

#include "ip_frame.hpp"
#include "net/internet_checksum.hpp"
#include "soft/link/segment_cutter.hpp"
#include "soft/link/udp_run.hpp"

namespace pktverbs::soft {
namespace {

using pktverbs::testing::IpFrame;
using Bytes = std::vector<std::uint8_t>;

constexpr std::size_t max_frame = 9014;

/// Frames as a NIC gives them to a link, in pieces.
class FrameList {
public:
    void add(Bytes bytes, std::initializer_list<std::size_t> cuts = {}, bool checksum_ok = false) {
        const Bytes& kept = bytes_.emplace_back(std::move(bytes));
        auto& pieces = pieces_.emplace_back();
        std::size_t from = 0;
        const auto add_piece = [&](std::size_t to) {
            pieces.push_back(
                {reinterpret_cast<std::uintptr_t>(kept.data() + from), static_cast<std::uint32_t>(to - from), 0});
            from = to;
        };
        for (const std::size_t cut : cuts) add_piece(cut);
        add_piece(kept.size());
        frames_.push_back({pieces.data(), static_cast<std::uint32_t>(pieces.size()),
                           static_cast<std::uint32_t>(kept.size()), checksum_ok, nullptr});
    }
    std::span<const TxFrame> frames() const { return frames_; }
    const Bytes& operator[](std::size_t i) const { return bytes_[i]; }
    UdpRun run(std::size_t from = 0) const { return UdpRun::find(frames().subspan(from), max_frame); }

private:
    std::deque<Bytes> bytes_;
    std::deque<std::vector<ibv_sge>> pieces_;
    std::vector<TxFrame> frames_;
};

/// With its checksums.
Bytes finished(const IpFrame& frame) {
    Bytes bytes = frame.bytes();
    EXPECT_TRUE(fill_checksums(bytes, {}));
    return bytes;
}

IpFrame numbered(IpFrame frame, std::size_t number, std::size_t payload_bytes) {
    frame.id = static_cast<std::uint16_t>(frame.id + number);
    frame.payload.resize(payload_bytes);
    for (std::size_t i = 0; i < payload_bytes; ++i) frame.payload[i] = static_cast<std::uint8_t>(number * 31 + i * 7);
    return frame;
}

struct CutFrames final : Sink {
    void deliver(std::span<const RxFrame> batch) noexcept override {
        for (const RxFrame& frame : batch) {
            frames.emplace_back(frame.data, frame.data + frame.length);
            EXPECT_TRUE(frame.checksum_ok);
            EXPECT_EQ(frame.timestamp_ns, 77u);
        }
    }
    void link_changed(bool) noexcept override {}
    std::vector<Bytes> frames;
};

/// What the kernel is given for a run.
struct Super {
    Super(const FrameList& list, std::size_t from, const UdpRun& run) : bytes(run.header_bytes) {
        vnet = run.write_header(list.frames()[from], bytes.data());
        for (std::size_t i = 0; i < run.frames; ++i) {
            const Bytes& frame = list[from + i];
            bytes.insert(bytes.end(), frame.begin() + static_cast<std::ptrdiff_t>(run.header_bytes), frame.end());
        }
    }
    std::vector<Bytes> cut() const {
        EXPECT_TRUE(SegmentCutter::can_cut(bytes, vnet));
        CutFrames sink;
        SegmentCutter cutter;
        RxFrame super{bytes.data(), static_cast<std::uint32_t>(bytes.size()), false, 77, vnet.segment_bytes};
        const std::size_t count = cutter.deliver(super, sink);
        EXPECT_EQ(count, sink.frames.size());
        return sink.frames;
    }
    Bytes bytes;
    VnetHeader vnet;
};

void expect_same_again(const FrameList& list, std::size_t from, const UdpRun& run) {
    const Super super{list, from, run};
    EXPECT_LE(super.bytes.size(), UdpRun::max_bytes);
    EXPECT_EQ(super.bytes.size(), run.header_bytes + run.payload_bytes);
    const auto cut = super.cut();
    ASSERT_EQ(cut.size(), run.frames);
    for (std::size_t i = 0; i < cut.size(); ++i) ASSERT_EQ(cut[i], list[from + i]) << i << " of " << cut.size();
}

TEST(UdpRun, TakesEveryLengthAndNumberOfFrames) {
    for (const bool v6 : {false, true})
        for (const std::size_t payload : {1u, 2u, 17u, 18u, 19u, 22u, 64u, 511u, 512u, 1471u, 1472u, 8000u})
            for (const std::size_t count : {1u, 2u, 3u, 63u, 64u, 127u, 128u, 129u, 200u}) {
                SCOPED_TRACE(std::to_string(payload) + " bytes, " + std::to_string(count) + (v6 ? " of IPv6" : ""));
                FrameList list;
                for (std::size_t i = 0; i < count; ++i)
                    list.add(finished(numbered(v6 ? IpFrame::v6() : IpFrame{}, i, payload)));
                for (std::size_t from = 0; from < count;) {
                    const UdpRun run = list.run(from);
                    const std::size_t most =
                        std::min(UdpRun::max_frames, (UdpRun::max_bytes - (v6 ? 62 : 42)) / payload);
                    ASSERT_EQ(run.frames, std::min(most, count - from));
                    if (run.frames > 1) expect_same_again(list, from, run);
                    from += run.frames;
                }
            }
}

TEST(UdpRun, EndsWithAShorterFrame) {
    FrameList list;
    for (std::size_t i = 0; i < 5; ++i) list.add(finished(numbered({}, i, i == 3 ? 99 : 100)));
    EXPECT_EQ(list.run().frames, 4u);
    expect_same_again(list, 0, list.run());
    EXPECT_EQ(list.run(3).frames, 1u) << "the next one is longer";
}

TEST(UdpRun, TakesFramesInPieces) {
    FrameList list;
    list.add(finished(numbered({}, 0, 100)), {42});
    list.add(finished(numbered({}, 1, 100)), {43, 100});
    list.add(finished(numbered({}, 2, 100)), {50, 60, 70});
    list.add(finished(numbered({}, 3, 100)), {50, 60, 70, 80});
    EXPECT_EQ(list.run().frames, 3u) << "with too many pieces";
    FrameList split_header;
    split_header.add(finished(numbered({}, 0, 100)), {42});
    split_header.add(finished(numbered({}, 1, 100)), {41});
    EXPECT_EQ(split_header.run().frames, 1u);
}

/// A list of three where the middle one is changed after its checksums were filled in, or before.
template <class Change>
std::size_t frames_with(Change&& change, bool checksum_ok = false) {
    FrameList list;
    for (std::size_t i = 0; i < 3; ++i) {
        IpFrame frame = numbered({}, i, 100);
        Bytes bytes = finished(frame);
        if (i == 1) bytes = change(frame);
        list.add(std::move(bytes), {}, checksum_ok);
    }
    return list.run().frames;
}

TEST(UdpRun, LeavesOutWhatSegmentationWouldChange) {
    const auto with_byte = [](std::size_t at, int by) {
        return [=](IpFrame& frame) {
            Bytes bytes = finished(frame);
            bytes[at] = static_cast<std::uint8_t>(bytes[at] + by);
            return bytes;
        };
    };
    const auto with = [](auto&& change) {
        return [=](IpFrame& frame) {
            change(frame);
            return finished(frame);
        };
    };
    EXPECT_EQ(frames_with(with([](IpFrame&) {})), 3u);
    for (const std::size_t at : {24u, 25u, 40u, 41u, 50u})
        EXPECT_EQ(frames_with(with_byte(at, 1)), 1u) << at << ": a wrong checksum";
    EXPECT_EQ(frames_with([](IpFrame& frame) {
                  Bytes bytes = finished(frame);
                  bytes[40] = bytes[41] = 0;
                  return bytes;
              }),
              1u)
        << "no checksum";
    EXPECT_EQ(frames_with(
                  [](IpFrame& frame) {
                      Bytes bytes = finished(frame);
                      bytes[40] = bytes[41] = 0;
                      return bytes;
                  },
                  true),
              1u)
        << "no checksum, whoever says that it's right";
    for (const std::size_t at : {17u, 39u}) EXPECT_EQ(frames_with(with_byte(at, -1)), 1u) << at << ": a wrong length";
    EXPECT_EQ(frames_with(with([](IpFrame& frame) { ++frame.id; })), 1u);
    EXPECT_EQ(frames_with(with([](IpFrame& frame) { --frame.id; })), 1u);
    EXPECT_EQ(frames_with(with([](IpFrame& frame) { ++frame.src_port; })), 1u);
    EXPECT_EQ(frames_with(with([](IpFrame& frame) { ++frame.dst_port; })), 1u);
    EXPECT_EQ(frames_with(with([](IpFrame& frame) { frame.dst[3] = 9; })), 1u);
    EXPECT_EQ(frames_with(with([](IpFrame& frame) { frame.dst_mac[5] = 9; })), 1u);
    EXPECT_EQ(frames_with(with([](IpFrame& frame) { frame.tcp = true; })), 1u);
    EXPECT_EQ(frames_with(with([](IpFrame& frame) { frame.fragment = 0x4000; })), 1u)
        << "don't fragment, unlike the first";
    EXPECT_EQ(frames_with(with([](IpFrame& frame) { frame.payload.resize(101); })), 1u);
    EXPECT_EQ(frames_with(with([](IpFrame& frame) { frame.payload.clear(); })), 1u);
    EXPECT_EQ(frames_with(with([](IpFrame& frame) { frame.padding = Bytes(4); })), 1u);
    EXPECT_EQ(frames_with(with([](IpFrame& frame) { frame.options = {1, 1, 1, 0}; })), 1u);
    EXPECT_EQ(frames_with(with([](IpFrame& frame) { frame.tags = {0x81, 0, 0, 5}; })), 1u);
}

TEST(UdpRun, TakesNoFlowsThatSegmentationDoesNotMakeAnew) {
    const auto run_of = [](auto&& change) {
        FrameList list;
        for (std::size_t i = 0; i < 3; ++i) {
            IpFrame frame = numbered({}, i, 100);
            change(frame);
            Bytes bytes = frame.bytes();
            fill_checksums(bytes, {});
            list.add(std::move(bytes));
        }
        return list.run().frames;
    };
    EXPECT_EQ(run_of([](IpFrame&) {}), 3u);
    EXPECT_EQ(run_of([](IpFrame& frame) { frame.fragment = 0x4000; }), 3u);
    EXPECT_EQ(run_of([](IpFrame& frame) { frame.id = 0; }), 1u) << "all with the same identification";
    EXPECT_EQ(run_of([](IpFrame& frame) { frame.fragment = 0x2000; }), 1u);
    EXPECT_EQ(run_of([](IpFrame& frame) { frame.fragment = 0x0001; }), 1u);
    EXPECT_EQ(run_of([](IpFrame& frame) { frame.tcp = true; }), 1u);
    EXPECT_EQ(run_of([](IpFrame& frame) { frame.tags = {0x81, 0, 0, 5}; }), 1u);
    EXPECT_EQ(run_of([](IpFrame& frame) { frame.options = {1, 1, 1, 0}; }), 1u);
    EXPECT_EQ(run_of([](IpFrame& frame) { frame.payload.clear(); }), 1u);
    EXPECT_EQ(run_of([](IpFrame& frame) { frame.payload.resize(9000); }), 1u) << "too long for the interface";
}

TEST(UdpRun, TrustsTheNicThatHasJustComputedChecksums) {
    // It is the kernel then that makes them right.
    EXPECT_EQ(frames_with(
                  [](IpFrame& frame) {
                      Bytes bytes = finished(frame);
                      bytes[50] ^= 1;
                      return bytes;
                  },
                  true),
              3u);
}

TEST(UdpRun, SurvivesShortFrames) {
    for (std::size_t bytes = 14; bytes < 63; ++bytes)
        for (const bool v6 : {false, true}) {
            FrameList list;
            for (std::size_t i = 0; i < 2; ++i) {
                Bytes whole = finished(numbered(v6 ? IpFrame::v6() : IpFrame{}, i, 100));
                whole.resize(bytes);
                whole.shrink_to_fit();
                list.add(std::move(whole));
            }
            EXPECT_EQ(list.run().frames, 1u);
        }
}

// Of frames at random, whatever forms a run comes out of it unchanged.
TEST(UdpRun, ChangesNothingInLists) {
    std::mt19937 random{20261130};
    const auto below = [&](std::uint32_t end) { return static_cast<std::uint32_t>(random()) % end; };
    std::size_t in_runs = 0;
    for (int turn = 0; turn < 300; ++turn) {
        FrameList list;
        IpFrame flow = below(2) ? IpFrame::v6() : IpFrame{};
        std::size_t payload = 1 + below(300);
        for (std::uint32_t i = 0; i < 100; ++i) {
            if (below(20) == 0) ++flow.src_port;
            if (below(20) == 0) payload = 1 + below(300);
            ++flow.id;
            Bytes bytes =
                finished(numbered(flow, 0, below(15) ? payload : 1 + below(static_cast<std::uint32_t>(payload))));
            if (below(25) == 0) ++bytes[below(static_cast<std::uint32_t>(bytes.size()))];
            list.add(std::move(bytes));
        }
        for (std::size_t from = 0; from < 100;) {
            const UdpRun run = list.run(from);
            if (run.frames > 1) expect_same_again(list, from, run);
            if (run.frames > 1) in_runs += run.frames;
            from += run.frames;
        }
    }
    EXPECT_GT(in_runs, 10'000u);
}

TEST(SegmentCutter, CutsBehindTagsAndOptions) {
    IpFrame frame;
    frame.tags = {0x81, 0, 0, 5};
    frame.options = {1, 1, 1, 0};
    frame.payload.assign(250, 0x11);
    frame.payload[99] = 0x22;
    Bytes super = frame.bytes();
    VnetHeader vnet;
    vnet.flags = VnetHeader::needs_checksum;
    vnet.segmentation = VnetHeader::of_udp;
    vnet.segment_bytes = 100;
    vnet.csum_start = static_cast<std::uint16_t>(frame.transport_offset());
    vnet.csum_offset = 6;
    EXPECT_TRUE(SegmentCutter::can_cut(super, vnet));
    CutFrames sink;
    SegmentCutter cutter;
    EXPECT_EQ(cutter.deliver({super.data(), static_cast<std::uint32_t>(super.size()), false, 77, 100}, sink), 3u);
    ASSERT_EQ(sink.frames.size(), 3u);
    for (std::size_t i = 0; i < 3; ++i) {
        IpFrame expected = frame;
        expected.id = static_cast<std::uint16_t>(frame.id + i);
        expected.payload.assign(i == 2 ? 50 : 100, 0x11);
        if (i == 0) expected.payload[99] = 0x22;
        EXPECT_EQ(sink.frames[i], finished(expected)) << i;
    }
}

TEST(SegmentCutter, LeavesOtherFramesAlone) {
    IpFrame frame;
    frame.payload.assign(250, 0x11);
    const Bytes super = frame.bytes();
    VnetHeader vnet;
    vnet.flags = VnetHeader::needs_checksum;
    vnet.segmentation = VnetHeader::of_udp;
    vnet.segment_bytes = 100;
    vnet.csum_start = 34;
    vnet.csum_offset = 6;
    EXPECT_TRUE(SegmentCutter::can_cut(super, vnet));
    const auto can_cut = [&](auto&& change) {
        VnetHeader changed = vnet;
        change(changed);
        return SegmentCutter::can_cut(super, changed);
    };
    EXPECT_FALSE(can_cut([](VnetHeader& header) { header.segmentation = 0; }));
    EXPECT_FALSE(can_cut([](VnetHeader& header) { header.segmentation = 1; }));  // of TCP
    EXPECT_FALSE(can_cut([](VnetHeader& header) { header.segment_bytes = 0; }));
    EXPECT_FALSE(can_cut([](VnetHeader& header) { header.csum_start = 84; })) << "segments in a tunnel";
    EXPECT_FALSE(can_cut([](VnetHeader& header) { header.csum_start = 0xffff; }));
    EXPECT_FALSE(can_cut([](VnetHeader& header) { header.csum_start = 0; }));
    EXPECT_FALSE(SegmentCutter::can_cut(std::span{super}.first(42), vnet));
    frame.tcp = true;
    EXPECT_FALSE(SegmentCutter::can_cut(frame.bytes(), vnet));
}

}  // namespace
}  // namespace pktverbs::soft
