// SPDX-License-Identifier: Apache-2.0
// BlockRing: making, naming and attaching; and what is no ring is refused.
#include <pktverbs/ring/block_ring.hpp>

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <vector>

#include "expect_error.hpp"
#include "ring/ring_mapping.hpp"
#include "ring_frames.hpp"

namespace pktverbs::testing {
namespace {

TEST(BlockRing, IsMadeOnceByAName) {
    const RingName name{"once"};
    const BlockRing ring = BlockRing::create(name, small_ring);
    expect_error(EEXIST, [&] { BlockRing::create(name, small_ring); });
    BlockRing::remove(name);
    BlockRing::remove(name);
    const BlockRing again = BlockRing::create(name, small_ring);
    EXPECT_NE(ring.fd(), again.fd());
}

TEST(BlockRing, IsAttachedToByAName) {
    const RingName name{"attach"};
    expect_words(expect_error(ENOENT, [&] { BlockRing::attach(name); }), {"/pktverbs-test-attach"});
    expect_error(EINVAL, [] { BlockRing::attach("/no/slashes"); });
    const BlockRing made = BlockRing::create(name, small_ring);
    EXPECT_EQ(BlockRing::attach(name).geometry(), small_ring.checked());
}

TEST(BlockRing, IsOpenedOrMade) {
    const RingName name{"open"};
    const BlockRing made = BlockRing::open(name, small_ring);
    const BlockRing same = BlockRing::open(name, small_ring);
    EXPECT_EQ(same.geometry(), made.geometry());
    RingGeometry other = small_ring;
    other.slots = 9;
    expect_words(expect_error(EEXIST, [&] { BlockRing::open(name, other); }), {"8 slots", "9 slots", "remove it"});
}

TEST(BlockRing, IsAttachedToByADescriptor) {
    const BlockRing made{small_ring};
    const BlockRing attached = BlockRing::attach(made.fd());
    EXPECT_EQ(attached.geometry(), made.geometry());
    EXPECT_NE(attached.fd(), made.fd());
    expect_error(EBADF, [] { BlockRing::attach(-1); });
}

TEST(BlockRing, LeavesNoNameWhenItCannotBeMade) {
    const RingName name{"refused"};
    expect_error(EINVAL, [&] { BlockRing::create(name, {.blocks = 0}); });
    expect_error(ENOENT, [&] { BlockRing::attach(name); });
}

TEST(BlockRing, IsWholePagesOfMemory) {
    const BlockRing ring{small_ring};
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(ring.memory().data()) % 4096, 0U);
    EXPECT_GE(ring.memory().size(), RingLayout{small_ring.checked()}.total_bytes);
}

TEST(BlockRing, HasALayoutForPackets) {
    const Layout two = BlockRing{small_ring}.recv_layout();
    ASSERT_EQ(two.chunks().size(), 2U);
    EXPECT_EQ(two.chunks()[0].bytes, 8U);
    EXPECT_EQ(two.chunks()[1].bytes, 64U);
    const Layout one = BlockRing{RingGeometry{.payload_bytes = 100}}.recv_layout();
    ASSERT_EQ(one.chunks().size(), 1U);
    EXPECT_EQ(one.chunks()[0].bytes, 100U);
}

class AttachTo : public ::testing::Test {
protected:
    /// What is said about a ring whose header is changed so.
    template <class Change>
    std::string refusal(Change&& change) {
        std::vector<std::uint64_t> copy(layout.total_bytes / 8);
        const std::span<std::uint8_t> bytes{reinterpret_cast<std::uint8_t*>(copy.data()), layout.total_bytes};
        write_ring(bytes, layout);
        change(*reinterpret_cast<RingHeader*>(copy.data()));
        std::string text = expect_error(EPROTO, [&] { check_ring(bytes, "/bad"); });
        expect_words(text, {"cannot attach to ring /bad: "});
        return text;
    }
    const RingLayout layout{small_ring.checked()};
};

TEST_F(AttachTo, SomethingElseIsRefused) {
    expect_words(refusal([](RingHeader& header) { header.magic = 0; }), {"being made"});
    expect_words(refusal([](RingHeader& header) { header.magic = 1; }), {"no ring"});
    expect_words(refusal([](RingHeader& header) { header.version = 2; }), {"version 2", "knows 1"});
}

TEST_F(AttachTo, WrongSizesAreRefused) {
    expect_words(refusal([](RingHeader& header) { header.geometry.blocks = 0; }), {"blocks 0"});
    expect_words(refusal([](RingHeader& header) { header.geometry.blocks = ~0U; }), {"impossible"});
    expect_words(refusal([](RingHeader& header) { header.geometry.slots = 0; }), {"slots 0"});
    expect_words(refusal([](RingHeader& header) { header.geometry.payload_stride = 1; }), {"payload_stride 1"});
    // 0 means a default to its maker only.
    expect_words(refusal([](RingHeader& header) { header.geometry.payload_stride = 0; }), {"offsets"});
    expect_words(refusal([](RingHeader& header) { header.geometry.slots = 1U << 20; }), {"offsets"});
}

TEST_F(AttachTo, WrongOffsetsAreRefused) {
    const auto refused = [&](auto field) {
        expect_words(refusal([&](RingHeader& header) { header.*field += 64; }), {"offsets"});
    };
    refused(&RingHeader::total_bytes);
    refused(&RingHeader::states_offset);
    refused(&RingHeader::blocks_offset);
    refused(&RingHeader::block_stride);
    refused(&RingHeader::bitmap_offset);
    refused(&RingHeader::slots_offset);
    refused(&RingHeader::headers_offset);
    refused(&RingHeader::payloads_offset);
    refused(&RingHeader::bytes);
}

TEST_F(AttachTo, AFileThatWasCutShortIsRefused) {
    const RingName name{"short"};
    const BlockRing ring = BlockRing::create(name, small_ring);
    ASSERT_EQ(ftruncate(ring.fd(), static_cast<off_t>(layout.total_bytes - 1)), 0);
    expect_words(expect_error(EPROTO, [&] { BlockRing::attach(name); }), {"cut short"});
    ASSERT_EQ(ftruncate(ring.fd(), 100), 0);
    expect_words(expect_error(EPROTO, [&] { BlockRing::attach(name); }), {"100 bytes"});
    ASSERT_EQ(ftruncate(ring.fd(), 0), 0);
    expect_error(ENODATA, [&] { BlockRing::attach(name); });
}

TEST_F(AttachTo, AMemfdCannotBeCutShort) {
    const BlockRing ring{small_ring};
    EXPECT_EQ(ftruncate(ring.fd(), 4096), -1);
    EXPECT_EQ(errno, EPERM);
}

}  // namespace
}  // namespace pktverbs::testing
