// SPDX-License-Identifier: Apache-2.0
#include "soft/link/checksum.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "base/crc32.hpp"

namespace pktverbs::soft {
namespace {

using Bytes = std::vector<std::uint8_t>;

std::uint32_t add(const Bytes& bytes) {
    std::uint32_t sum = 0;
    for (std::size_t i = 0; i < bytes.size(); ++i) sum += i % 2 ? bytes[i] : static_cast<std::uint32_t>(bytes[i] << 8);
    while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
    return sum;
}

/// A frame as the kernel hands it to a NIC with checksum offload: the field holds the pseudo-header's sum.
struct Carried {
    Bytes link = Bytes(12);
    bool ipv6 = false;
    Bytes extensions{};             // IPv4: options
    std::uint8_t first_header = 0;  // length of the extensions
    std::uint8_t protocol = 17;
    Bytes payload = Bytes(5, 0xa5);
    std::uint8_t fragment_high = 0;
    Bytes padding{};

    Bytes transport() const {
        Bytes bytes(protocol == 6 ? 20 : 8);
        bytes[1] = 7;
        bytes[3] = 9;
        bytes.insert(bytes.end(), payload.begin(), payload.end());
        if (protocol == 6) bytes[12] = 0x50;
        if (protocol == 17) {
            bytes[4] = static_cast<std::uint8_t>(bytes.size() >> 8);
            bytes[5] = static_cast<std::uint8_t>(bytes.size());
        }
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

    /// Whether a receiver would accept the checksum.
    bool is_right(const Bytes& frame) const {
        Bytes all = pseudo_header();
        const auto start = frame.begin() + static_cast<std::ptrdiff_t>(transport_offset());
        all.insert(all.end(), start, start + static_cast<std::ptrdiff_t>(transport().size()));
        return add(all) == 0xffff;
    }
};

bool finish(const Carried& frame, Bytes& bytes) {
    return finish_checksum(
        bytes, {.start = frame.transport_offset(), .offset = frame.field_offset() - frame.transport_offset()});
}

void expect_completed(const Carried& frame) {
    Bytes bytes = frame.bytes();
    EXPECT_TRUE(finish(frame, bytes));
    EXPECT_TRUE(frame.is_right(bytes));
}

TEST(Checksum, IsCompletedForUdpAndTcpOverIpv4AndIpv6) {
    for (const bool ipv6 : {false, true})
        for (const std::uint8_t protocol : {std::uint8_t{17}, std::uint8_t{6}})
            for (const std::size_t bytes : {0u, 1u, 2u, 3u, 4u, 1471u, 8958u})
                expect_completed({.ipv6 = ipv6, .protocol = protocol, .payload = Bytes(bytes, 0xe7)});
}

TEST(Checksum, IsCompletedBehindVlanTags) {
    Carried frame;
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
    Carried frame{.payload = Bytes(2)};
    Bytes bytes = frame.bytes();
    ASSERT_TRUE(finish(frame, bytes));
    // A payload word equal to the checksum makes the next one zero.
    frame.payload = {bytes[frame.field_offset()], bytes[frame.field_offset() + 1]};
    bytes = frame.bytes();
    ASSERT_TRUE(finish(frame, bytes));
    EXPECT_EQ(bytes[frame.field_offset()], 0xff);
    EXPECT_EQ(bytes[frame.field_offset() + 1], 0xff);
    EXPECT_TRUE(frame.is_right(bytes));
}

TEST(Checksum, IsFinishedWhereTheKernelSays) {
    // Whatever it is: GRE with a checksum of its own, over IPv4.
    Carried frame{.protocol = 47};
    Bytes bytes = frame.bytes();
    const std::size_t gre = frame.transport_offset();
    bytes[gre + 4] = bytes[gre + 5] = 0;
    EXPECT_FALSE(finish_checksum(bytes, {.start = gre, .offset = 4})) << "it is no TCP or UDP to vouch for";
    EXPECT_EQ(add({bytes.begin() + static_cast<std::ptrdiff_t>(gre), bytes.end()}), 0xffffu);
}

/// A UDP frame that carries another one after eight bytes, as VXLAN does.
struct TunnelFrame {
    Carried inner{.link = Bytes(12, 7), .payload = Bytes(33, 0x5a)};
    Carried outer{};

    explicit TunnelFrame(const Carried& carried = {.payload = Bytes(33, 0x5a)}) : inner{carried} {
        outer.payload = Bytes(8);
        const Bytes bytes = inner.bytes();
        outer.payload.insert(outer.payload.end(), bytes.begin(), bytes.end());
    }
    std::size_t inner_at() const { return outer.transport_offset() + 16; }
    UnfinishedChecksum left(bool segmented = false) const {
        return {.start = inner_at() + inner.transport_offset(),
                .offset = inner.field_offset() - inner.transport_offset(),
                .segmented = segmented};
    }
    bool inner_right(const Bytes& bytes) const {
        return inner.is_right({bytes.begin() + static_cast<std::ptrdiff_t>(inner_at()), bytes.end()});
    }
};

TEST(Checksum, InsideATunnelIsFinishedWithTheOuterOneLeftAlone) {
    for (const std::uint8_t protocol : {std::uint8_t{17}, std::uint8_t{6}}) {
        const TunnelFrame tunnel{Carried{.protocol = protocol, .payload = Bytes(33, 0x5a)}};
        Bytes bytes = tunnel.outer.bytes();
        const std::size_t field = tunnel.outer.field_offset();
        bytes[field] = bytes[field + 1] = 0;
        EXPECT_FALSE(finish_checksum(bytes, tunnel.left())) << "the outer one has none";
        EXPECT_TRUE(tunnel.inner_right(bytes));
        EXPECT_EQ(bytes[field] << 8 | bytes[field + 1], 0);
        bytes = tunnel.outer.bytes();
        bytes[field] = 0x12;
        bytes[field + 1] = 0x34;
        EXPECT_TRUE(finish_checksum(bytes, tunnel.left())) << "the kernel made it so that it is right now";
        EXPECT_TRUE(tunnel.inner_right(bytes));
        EXPECT_EQ(bytes[field] << 8 | bytes[field + 1], 0x1234);
    }
}

TEST(Checksum, AroundSegmentsIsFinishedToo) {
    const TunnelFrame tunnel;
    Bytes bytes = tunnel.outer.bytes();
    EXPECT_TRUE(finish_checksum(bytes, tunnel.left(true)));
    EXPECT_TRUE(tunnel.inner_right(bytes));
    EXPECT_TRUE(tunnel.outer.is_right(bytes));
    bytes = tunnel.outer.bytes();
    const std::size_t field = tunnel.outer.field_offset();
    bytes[field] = bytes[field + 1] = 0;
    EXPECT_FALSE(finish_checksum(bytes, tunnel.left(true)));
    EXPECT_EQ(bytes[field] << 8 | bytes[field + 1], 0) << "a tunnel without one keeps none";

    Carried gre{.protocol = 47, .payload = tunnel.inner.bytes()};  // eight bytes of GRE, then a frame
    bytes = gre.bytes();
    const std::size_t at = gre.transport_offset();
    bytes[at] = 0x80;
    bytes[at + 4] = bytes[at + 5] = 0;
    finish_checksum(bytes, {.start = at + 8 + tunnel.inner.transport_offset(), .offset = 6, .segmented = true});
    EXPECT_EQ(add({bytes.begin() + static_cast<std::ptrdiff_t>(at), bytes.end()}), 0xffffu);
}

TEST(Checksum, OfSctpIsACrc) {
    Carried frame{.protocol = 132, .payload = Bytes(9, 0x33)};
    Bytes bytes = frame.bytes();
    const std::size_t at = frame.transport_offset();
    EXPECT_FALSE(finish_checksum(bytes, {.start = at, .offset = 8}));
    const Bytes field(bytes.begin() + static_cast<std::ptrdiff_t>(at + 8),
                      bytes.begin() + static_cast<std::ptrdiff_t>(at + 12));
    std::fill_n(bytes.begin() + static_cast<std::ptrdiff_t>(at + 8), 4, std::uint8_t{0});
    const auto wanted = crc32<crc32c_polynomial>(std::span{bytes}.subspan(at));
    EXPECT_EQ(field, Bytes(wanted.begin(), wanted.end()));
    // RFC 3720, B.4, gives the same for 32 zeros: 0xaa36918a in wire order.
    EXPECT_EQ(crc32<crc32c_polynomial>(Bytes(32)), (std::array<std::uint8_t, 4>{0xaa, 0x36, 0x91, 0x8a}));
}

TEST(Checksum, IsLeftAloneWhereItDoesNotFit) {
    const Carried frame;
    const Bytes whole = frame.bytes();
    const std::size_t size = whole.size();
    for (const UnfinishedChecksum& left :
         {UnfinishedChecksum{size + 1, 0}, UnfinishedChecksum{size - 1, 0}, UnfinishedChecksum{size - 7, 6},
          UnfinishedChecksum{0, size - 1}, UnfinishedChecksum{0xffff, 0xffff}, UnfinishedChecksum{34, 0xffff}}) {
        Bytes bytes = whole;
        EXPECT_FALSE(finish_checksum(bytes, left));
        EXPECT_EQ(bytes, whole);
    }
    Bytes none;
    EXPECT_FALSE(finish_checksum(none, {}));
}

/// If a virtual machine or a tap sends the frame, the offsets come from another program.
TEST(Checksum, NeverWritesOutsideOfAnyFrame) {
    const TunnelFrame tunnel;
    const Bytes whole = tunnel.outer.bytes();
    for (std::size_t size = 0; size <= whole.size(); ++size) {
        for (std::size_t start = 0; start <= size + 2; ++start) {
            Bytes bytes(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size));  // for ASan to watch
            finish_checksum(bytes, {.start = start, .offset = start % 17, .segmented = true});
        }
    }
}

}  // namespace
}  // namespace pktverbs::soft
