// SPDX-License-Identifier: Apache-2.0
#include <pktverbs/ring/sequence_reader.hpp>

#include <gtest/gtest.h>

#include <cerrno>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "expect_error.hpp"
#include "udp_frames.hpp"

namespace pktverbs::testing {
namespace {

constexpr std::uint32_t max_bytes = 1000;
constexpr SequenceField in_udp{.from = SequenceOrigin::udp_payload, .offset = 3, .width = 4};
const std::vector<std::uint8_t> payload{9, 9, 9, 0x12, 0x34, 0x56, 0x78, 9, 9, 9, 9};
constexpr std::uint64_t number_in_payload = 0x12345678;

/// Both parts are separate blocks, so that a sanitizer sees every read past them.
std::optional<std::uint64_t> read(SequenceReader& reader, std::span<const std::uint8_t> frame,
                                  std::uint32_t header_bytes) {
    const std::size_t in_header = std::min<std::size_t>(header_bytes, frame.size());
    const std::vector<std::uint8_t> header{frame.begin(), frame.begin() + static_cast<std::ptrdiff_t>(in_header)};
    const std::vector<std::uint8_t> rest{frame.begin() + static_cast<std::ptrdiff_t>(in_header), frame.end()};
    std::uint64_t number = 0;
    if (!reader.read(header.data(), rest.data(), static_cast<std::uint32_t>(frame.size()), number)) return {};
    return number;
}
std::optional<std::uint64_t> read(const SequenceField& field, const UdpFrame& frame, std::uint32_t header_bytes) {
    SequenceReader reader{field, header_bytes, max_bytes};
    return read(reader, frame, header_bytes);
}

TEST(SequenceReader, FindsThePayloadBehindHeadersOfAnyKindAndInAnyTwoParts) {
    for (const UdpShape& shape : udp_shapes()) {
        const UdpFrame frame = udp_frame(shape, payload);
        EXPECT_EQ(in_udp.find(frame), number_in_payload) << shape.name;
        for (std::uint32_t header_bytes = 0; header_bytes <= frame.size() + 2; ++header_bytes)
            ASSERT_EQ(read(in_udp, frame, header_bytes), number_in_payload) << shape.name << ' ' << header_bytes;
    }
}

TEST(SequenceReader, ReadsEveryWidthInBothOrders) {
    for (const UdpShape& shape : udp_shapes()) {
        const UdpFrame frame = udp_frame(shape, payload);
        for (std::uint32_t width = 1; width <= 8; ++width) {
            for (const std::endian order : {std::endian::big, std::endian::little}) {
                SequenceField field{.from = SequenceOrigin::udp_payload, .offset = 2, .width = width, .order = order};
                const SequenceField plain{.offset = 2, .width = width, .order = order};
                for (const std::uint32_t header_bytes : {0U, 42U, 47U, 50U, 200U})
                    ASSERT_EQ(read(field, frame, header_bytes), plain.read(payload.data())) << shape.name << width;
            }
        }
    }
}

TEST(SequenceReader, FindsNoneInFragmentsAndOtherProtocols) {
    for (const UdpShape& shape : shapes_without_udp()) {
        const UdpFrame frame = udp_frame(shape, payload);
        for (const std::uint32_t header_bytes : {0U, 14U, 42U, 64U, 200U})
            EXPECT_FALSE(read(in_udp, frame, header_bytes)) << shape.name << ' ' << header_bytes;
        if (shape.name != "too_many_headers") {
            EXPECT_FALSE(in_udp.find(frame)) << shape.name;
        }
    }
}

TEST(SequenceReader, FindsNoneBehindTheEndOfADatagram) {
    for (UdpShape shape : udp_shapes()) {
        shape.padding = 18;
        for (std::size_t bytes = 0; bytes < payload.size(); ++bytes) {
            const UdpFrame frame =
                udp_frame(shape, {payload.begin(), payload.begin() + static_cast<std::ptrdiff_t>(bytes)});
            const bool reaches = bytes >= 7;
            EXPECT_EQ(in_udp.find(frame).has_value(), reaches);
            for (const std::uint32_t header_bytes : {0U, 42U, 60U})
                ASSERT_EQ(read(in_udp, frame, header_bytes).has_value(), reaches) << shape.name << ' ' << bytes;
        }
    }
}

TEST(SequenceReader, FindsNoneInFramesThatAreCutShort) {
    for (const UdpShape& shape : udp_shapes()) {
        const UdpFrame whole = udp_frame(shape, payload);
        for (std::size_t bytes = 0; bytes + shape.padding < whole.size(); ++bytes) {
            const UdpFrame frame{whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(bytes)};
            ASSERT_FALSE(in_udp.find(frame)) << shape.name << ' ' << bytes;
            for (const std::uint32_t header_bytes : {0U, 42U, 60U})
                ASSERT_FALSE(read(in_udp, frame, header_bytes)) << shape.name << ' ' << bytes << ' ' << header_bytes;
        }
    }
}

TEST(SequenceReader, TakesNothingFromTheFrameBefore) {
    SequenceReader reader{in_udp, 42, max_bytes};
    const UdpFrame longer = udp_frame({.ipv6 = true, .extension_headers = 64}, payload);
    const UdpFrame tagged = udp_frame({.tags = {0x8100}}, payload);
    EXPECT_FALSE(read(reader, longer, 42)) << "its headers are longer than any frame's that is looked at";
    EXPECT_EQ(read(reader, tagged, 42), number_in_payload);
    EXPECT_FALSE(read(reader, longer, 42));
    EXPECT_FALSE(read(reader, UdpFrame(tagged.begin(), tagged.end() - 1), 42));
}

TEST(SequenceReader, CountsFromTheFrameIfAsked) {
    const SequenceField field{.offset = 14, .width = 2};
    UdpFrame frame(60);
    frame[14] = 0x12;
    frame[15] = 0x34;
    EXPECT_EQ(field.find(frame), 0x1234U);
    EXPECT_FALSE(field.find(std::span{frame}.first(15)));
    for (const std::uint32_t header_bytes : {0U, 14U, 16U, 60U, 100U}) {
        EXPECT_EQ(read(field, frame, header_bytes), 0x1234U);
        EXPECT_FALSE(read(field, UdpFrame(15), header_bytes));
    }
}

TEST(SequenceReader, RefusesWhatCannotBe) {
    const auto refused = [](const SequenceField& field, const char* word) {
        expect_words(expect_error(EINVAL, [&] { SequenceReader(field, 42, 100); }),
                     {"cannot place by a sequence field", word});
    };
    refused({.width = 9}, "width 9");
    refused({.from = static_cast<SequenceOrigin>(2)}, "neither from the frame nor from the UDP payload");
    refused({.offset = 40}, "the one at 40 reaches across the header's 42 bytes");
    refused({.offset = 93}, "the one at 93 lies behind the 100 bytes");
    refused({.offset = ~std::uint32_t{0}}, "the one at 4294967295 lies behind");
    refused({.from = SequenceOrigin::udp_payload, .offset = 51}, "the one at 51 of the UDP payload lies behind");
    SequenceReader({.from = SequenceOrigin::udp_payload, .offset = 50}, 42, 100);
}

}  // namespace
}  // namespace pktverbs::testing
