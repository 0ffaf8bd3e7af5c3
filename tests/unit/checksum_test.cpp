// SPDX-License-Identifier: Apache-2.0
#include "soft/checksum.hpp"

#include <gtest/gtest.h>

#include <cstdint>
#include <vector>

namespace pktverbs::soft {
namespace {

using Bytes = std::vector<std::uint8_t>;

std::uint32_t add(const Bytes& bytes) {
    std::uint32_t sum = 0;
    for (std::size_t i = 0; i < bytes.size(); ++i) sum += i % 2 ? bytes[i] : static_cast<std::uint32_t>(bytes[i] << 8);
    while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
    return sum;
}

/// A frame as the kernel hands it to a NIC that does checksums: the field holds the sum of the pseudo-header.
struct Frame {
    Bytes link = Bytes(12);
    bool ipv6 = false;
    Bytes extensions{};             // IPv4: options
    std::uint8_t first_header = 0;  // of the extensions
    std::uint8_t protocol = 17;
    Bytes payload = Bytes(5, 0xa5);
    std::uint8_t fragment_high = 0;
    Bytes padding{};

    Bytes transport() const {
        Bytes bytes(protocol == 6 ? 20 : 8);
        bytes[1] = 7;
        bytes[3] = 9;
        bytes.insert(bytes.end(), payload.begin(), payload.end());
        return bytes;
    }
    Bytes addresses() const {
        if (!ipv6) return {10, 1, 2, 3, 192, 168, 200, 250};
        Bytes bytes(32, 0xfd);
        bytes[15] = 1;
        bytes[31] = 2;
        return bytes;
    }
    Bytes pseudo_header() const {
        Bytes bytes = addresses();
        const auto length = transport().size();
        for (const std::size_t byte : {std::size_t{0}, std::size_t{protocol}, length >> 8, length & 0xff})
            bytes.push_back(static_cast<std::uint8_t>(byte));
        return bytes;
    }
    std::size_t transport_offset() const { return link.size() + 2 + (ipv6 ? 40 : 20) + extensions.size(); }
    std::size_t field_offset() const { return transport_offset() + (protocol == 6 ? 16 : 6); }

    Bytes bytes() const {
        Bytes frame = link;
        Bytes body = transport();
        const std::size_t body_bytes = extensions.size() + body.size();
        auto put = [&](std::initializer_list<std::size_t> values) {
            for (const auto value : values) frame.push_back(static_cast<std::uint8_t>(value));
        };
        if (ipv6) {
            put({0x86, 0xdd, 0x60, 0, 0, 0, body_bytes >> 8, body_bytes & 0xff,
                 extensions.empty() ? protocol : first_header, 64});
        } else {
            const std::size_t total = 20 + body_bytes;
            put({0x08, 0x00, 0x45 + extensions.size() / 4, 0, total >> 8, total & 0xff, 0, 1, fragment_high, 0, 64,
                 protocol, 0, 0});
        }
        const Bytes both = addresses();
        frame.insert(frame.end(), both.begin(), both.end());
        frame.insert(frame.end(), extensions.begin(), extensions.end());
        const std::uint32_t partial = add(pseudo_header());
        const std::size_t field = protocol == 6 ? 16 : 6;
        body[field] = static_cast<std::uint8_t>(partial >> 8);
        body[field + 1] = static_cast<std::uint8_t>(partial & 0xff);
        frame.insert(frame.end(), body.begin(), body.end());
        frame.insert(frame.end(), padding.begin(), padding.end());
        return frame;
    }

    /// Whether a receiver would find the checksum right.
    bool is_right(const Bytes& frame) const {
        Bytes all = pseudo_header();
        const auto start = frame.begin() + static_cast<std::ptrdiff_t>(transport_offset());
        all.insert(all.end(), start, start + static_cast<std::ptrdiff_t>(transport().size()));
        return add(all) == 0xffff;
    }
};

void expect_completed(const Frame& frame) {
    Bytes bytes = frame.bytes();
    EXPECT_TRUE(complete_checksum(bytes));
    EXPECT_TRUE(frame.is_right(bytes));
}

void expect_left_alone(Bytes bytes) {
    const Bytes before = bytes;
    EXPECT_FALSE(complete_checksum(bytes));
    EXPECT_EQ(bytes, before);
}

TEST(Checksum, IsCompletedForUdpAndTcpOverIpv4AndIpv6) {
    for (const bool ipv6 : {false, true})
        for (const std::uint8_t protocol : {std::uint8_t{17}, std::uint8_t{6}})
            for (const std::size_t bytes : {0u, 1u, 2u, 3u, 4u, 1471u, 8958u})
                expect_completed({.ipv6 = ipv6, .protocol = protocol, .payload = Bytes(bytes, 0xe7)});
}

TEST(Checksum, IsCompletedBehindVlanTags) {
    Frame frame;
    frame.link = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 0x88, 0xa8, 0, 5, 0x81, 0, 0, 6};
    expect_completed(frame);
    frame.ipv6 = true;
    expect_completed(frame);
}

TEST(Checksum, IsCompletedBehindIpv4OptionsAndIpv6Extensions) {
    expect_completed({.extensions = Bytes(8, 1)});
    Bytes chain{60, 0, 0, 0, 0, 0, 0, 0};                                          // hop-by-hop
    chain.insert(chain.end(), {51, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0});  // destination options
    chain.insert(chain.end(), {17, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0});  // authentication
    expect_completed({.ipv6 = true, .extensions = chain, .first_header = 0});
}

TEST(Checksum, CountsNoPadding) { expect_completed({.padding = Bytes(20, 0xff)}); }

TEST(Checksum, IsAllOnesInsteadOfZeroForUdp) {
    Frame frame{.payload = Bytes(2)};
    Bytes bytes = frame.bytes();
    ASSERT_TRUE(complete_checksum(bytes));
    // A payload word of the very checksum makes the next one zero.
    frame.payload = {bytes[frame.field_offset()], bytes[frame.field_offset() + 1]};
    bytes = frame.bytes();
    ASSERT_TRUE(complete_checksum(bytes));
    EXPECT_EQ(bytes[frame.field_offset()], 0xff);
    EXPECT_EQ(bytes[frame.field_offset() + 1], 0xff);
    EXPECT_TRUE(frame.is_right(bytes));
}

TEST(Checksum, IsLeftAloneWhenTheFieldIsNotThePseudoHeadersSum) {
    const Frame frame;
    Bytes none = frame.bytes();
    none[frame.field_offset()] = none[frame.field_offset() + 1] = 0;  // a tunnel without one of its own
    expect_left_alone(none);
    Bytes whole = frame.bytes();
    ASSERT_TRUE(complete_checksum(whole));
    expect_left_alone(whole);
}

TEST(Checksum, IsLeftAloneInFragmentsAndOtherProtocols) {
    expect_left_alone(Frame{.fragment_high = 0x20}.bytes());
    expect_left_alone(Frame{.fragment_high = 0x01}.bytes());
    expect_left_alone(Frame{.protocol = 1}.bytes());
    expect_left_alone(Frame{.ipv6 = true, .extensions = {17, 0, 0, 1, 0, 0, 0, 0}, .first_header = 44}.bytes());
}

TEST(Checksum, IsLeftAloneInFramesCutShort) {
    for (const bool ipv6 : {false, true}) {
        Frame frame{.ipv6 = ipv6, .extensions = Bytes(8), .first_header = 0};
        frame.extensions[0] = 17;
        const Bytes whole = frame.bytes();
        for (std::size_t bytes = 0; bytes < whole.size(); ++bytes)
            expect_left_alone({whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(bytes)});
    }
}

}  // namespace
}  // namespace pktverbs::soft
