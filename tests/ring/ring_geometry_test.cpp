// SPDX-License-Identifier: Apache-2.0
#include <pktverbs/ring/ring_geometry.hpp>

#include <gtest/gtest.h>

#include <cerrno>

#include <pktverbs/ring/ring_layout.hpp>

#include "expect_error.hpp"

namespace pktverbs::testing {
namespace {

TEST(RingGeometry, FillsInStrides) {
    const RingGeometry made = RingGeometry{.header_bytes = 42, .payload_bytes = 8193}.checked();
    EXPECT_EQ(made.header_stride, 64U);
    EXPECT_EQ(made.payload_stride, 8256U);
    EXPECT_EQ(made.checked(), made);
    EXPECT_EQ((RingGeometry{.payload_bytes = 100, .payload_stride = 100}).checked().payload_stride, 100U);
}

TEST(RingGeometry, RefusesWhatIsOutOfRange) {
    const auto refused = [](const RingGeometry& geometry, const char* word) {
        expect_words(expect_error(EINVAL, [&] { geometry.checked(); }), {"cannot lay out a ring", word});
    };
    refused({.blocks = 1}, "blocks 1");
    refused({.blocks = 4097}, "blocks 4097");
    refused({.block_slots = 0}, "slots 0");
    refused({.block_slots = (1U << 20) + 1}, "slots");
    refused({.header_bytes = (1U << 16) + 1}, "header_bytes");
    refused({.payload_bytes = 0}, "payload_bytes 0");
    refused({.payload_bytes = (1U << 24) + 1}, "payload_bytes");
    refused({.header_bytes = 42, .header_stride = 41}, "header_stride 41");
    refused({.payload_bytes = 100, .payload_stride = 99}, "payload_stride 99");
}

TEST(RingGeometry, RefusesWhatNoAddressSpaceHolds) {
    const RingGeometry largest{.blocks = 4096, .block_slots = 1U << 20, .payload_bytes = 1U << 24};
    expect_words(expect_error(ENOMEM, [&] { largest.checked(); }), {"address space", "4096 blocks"});
}

TEST(RingGeometry, SaysWhatItIs) {
    EXPECT_EQ(
        (RingGeometry{.blocks = 4, .block_slots = 8, .header_bytes = 42, .payload_bytes = 100}).checked().to_string(),
        "4 blocks of 8 slots, headers 42 bytes every 64, payloads 100 bytes every 128");
}

TEST(RingLayout, AlignsBlocksAndPayloadsToPages) {
    for (const std::uint32_t slots : {1U, 63U, 64U, 65U, 1000U}) {
        const RingGeometry geometry =
            RingGeometry{
                .blocks = 3, .block_slots = slots, .header_bytes = 42, .payload_bytes = 99, .payload_stride = 99}
                .checked();
        const RingLayout layout{geometry};
        EXPECT_EQ(layout.blocks_offset % 4096, 0U);
        EXPECT_EQ(layout.block_stride % 4096, 0U);
        EXPECT_EQ(layout.payloads_offset % 4096, 0U);
        EXPECT_GE(layout.states_offset, sizeof(RingHeader));
        EXPECT_GE(layout.blocks_offset, layout.states_offset + 8 * geometry.blocks);
        EXPECT_GE(layout.slots_offset, layout.bitmap_offset + (slots + 63) / 64 * 8);
        EXPECT_GE(layout.headers_offset, layout.slots_offset + 16 * slots);
        EXPECT_GE(layout.payloads_offset, layout.headers_offset + 64 * slots);
        EXPECT_GE(layout.block_stride, layout.payloads_offset + 99 * slots);
        EXPECT_EQ(layout.total_bytes, layout.blocks_offset + 3 * layout.block_stride);
    }
}

/// The layout in docs/ring.md.
TEST(RingLayout, IsVersion1) {
    EXPECT_EQ(RingHeader::version_number, 1U);
    constexpr std::size_t description = offsetof(RingHeader, description);
    EXPECT_EQ(description + offsetof(RingDescription, version), 8U);
    EXPECT_EQ(description + offsetof(RingDescription, bytes), 12U);
    EXPECT_EQ(description + offsetof(RingDescription, total_bytes), 16U);
    EXPECT_EQ(description + offsetof(RingDescription, geometry), 24U);
    EXPECT_EQ(description + offsetof(RingDescription, states_offset), 48U);
    EXPECT_EQ(description + offsetof(RingDescription, payloads_offset), 96U);
    EXPECT_EQ(offsetof(RingHeader, producer), 128U);
    EXPECT_EQ(offsetof(RingHeader, consumer), 192U);
    EXPECT_EQ(sizeof(RingHeader), 256U);
    EXPECT_EQ(offsetof(RingBlockHeader, base), 8U);
    EXPECT_EQ(offsetof(RingBlockHeader, flags), 28U);
}

}  // namespace
}  // namespace pktverbs::testing
