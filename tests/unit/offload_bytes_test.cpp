// SPDX-License-Identifier: Apache-2.0
// What offloads do to bytes: headers found, checksums filled in and verified, segments, the frame check sequence.
#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <random>

#include "ip_frame.hpp"
#include "net/ethernet_fcs.hpp"
#include "net/internet_checksum.hpp"
#include "net/segment.hpp"

namespace pktverbs::testing {
namespace {

using Bytes = IpFrame::Bytes;

IpFrame with(IpFrame frame, std::size_t payload, bool tcp) {
    frame.tcp = tcp;
    frame.payload.resize(payload);
    std::iota(frame.payload.begin(), frame.payload.end(), std::uint8_t{7});
    return frame;
}

TEST(FrameHeaders, AreFoundBehindTagsAndOptions) {
    IpFrame frame;
    frame.tags = {0x88, 0xa8, 0, 5, 0x81, 0, 0, 6};
    frame.options = Bytes(8, 1);
    const Bytes bytes = frame.bytes();
    const FrameHeaders found = find_headers(bytes, bytes.size());
    EXPECT_EQ(found.ip, FrameHeaders::Ip::v4);
    EXPECT_EQ(found.protocol, 17);
    EXPECT_EQ(found.ip_offset, 22U);
    EXPECT_EQ(found.offset, 50U);
    EXPECT_EQ(found.length, 108U);
}

TEST(FrameHeaders, NeverLookBehindTheirBytes) {
    for (IpFrame frame : {IpFrame{}, IpFrame::v6(), IpFrame::v6(true)}) {
        frame.tags = {0x81, 0, 0, 6};
        const Bytes bytes = frame.bytes();
        for (std::size_t seen = 0; seen <= bytes.size(); ++seen) {
            const Bytes head(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(seen));  // for ASan to watch
            const FrameHeaders found = find_headers(head, bytes.size());
            EXPECT_EQ(found.protocol != 0, seen >= frame.transport_offset()) << seen;
        }
    }
}

TEST(FrameHeaders, OfAFragmentHaveNoTransport) {
    for (const unsigned fragment : {0x2000U, 0x00b9U, 0x20b9U}) {
        IpFrame frame;
        frame.fragment = static_cast<std::uint16_t>(fragment);
        const Bytes bytes = frame.bytes();
        EXPECT_EQ(find_headers(bytes, bytes.size()).ip, FrameHeaders::Ip::v4);
        EXPECT_EQ(find_headers(bytes, bytes.size()).protocol, 0);
    }
    IpFrame whole;
    whole.fragment = 0x4000;  // don't fragment
    EXPECT_EQ(find_headers(whole.bytes(), whole.bytes().size()).protocol, 17);
}

TEST(FrameHeaders, AreSoughtBehindEightTagsAtMost) {
    for (const std::size_t tags : {8U, 9U}) {
        IpFrame frame;
        for (std::size_t i = 0; i < tags; ++i) frame.tags.insert(frame.tags.end(), {0x81, 0, 0, 6});
        const Bytes bytes = frame.bytes();
        EXPECT_EQ(find_headers(bytes, bytes.size()).is_udp(), tags == 8) << tags;
    }
}

/// The byte at `at` after IP's header, and its new value.
FrameHeaders found_with(const IpFrame& frame, std::size_t at, std::uint8_t value) {
    Bytes bytes = frame.bytes();
    bytes[frame.transport_offset() + at] = value;
    return find_headers(bytes, bytes.size());
}

TEST(FrameHeaders, OfATransportWhoseLengthLiesAreNone) {
    for (const IpFrame& frame : {with({}, 4, false), with(IpFrame::v6(), 4, false)}) {
        for (const int length : {0, 7, 13, 255}) {
            EXPECT_FALSE(found_with(frame, 5, static_cast<std::uint8_t>(length)).is_udp()) << length;
            EXPECT_EQ(found_with(frame, 5, static_cast<std::uint8_t>(length)).protocol, 17) << "it still says so";
        }
        EXPECT_EQ(found_with(frame, 5, 8).transport, 8U);
        EXPECT_EQ(found_with(frame, 5, 12).transport, 12U);
    }
    for (const IpFrame& frame : {with({}, 4, true), with(IpFrame::v6(), 4, true)}) {
        for (const int words : {0, 4, 7, 15})
            EXPECT_FALSE(found_with(frame, 12, static_cast<std::uint8_t>(words << 4)).is_tcp()) << words;
        EXPECT_EQ(found_with(frame, 12, 0x60).transport, 24U);
    }
}

TEST(FillChecksums, LeavesATransportAloneWhoseLengthLies) {
    for (const bool tcp : {false, true}) {
        const IpFrame frame = with({}, 4, tcp);
        Bytes bytes = frame.bytes();
        bytes[frame.transport_offset() + (tcp ? 12 : 5)] = 0xf0;
        const Bytes before = bytes;
        EXPECT_FALSE(fill_checksums(bytes, {}));
        EXPECT_TRUE(ipv4_right(frame, bytes));
        EXPECT_TRUE(std::equal(bytes.begin() + 34, bytes.end(), before.begin() + 34));
        EXPECT_FALSE(checksums_right(bytes));
    }
}

TEST(FillChecksums, MakesThemRightForEveryKindAndLength) {
    for (const bool tcp : {false, true})
        for (const std::size_t payload : {0U, 1U, 2U, 3U, 1460U, 8958U})
            for (IpFrame frame : {with({}, payload, tcp), with(IpFrame::v6(), payload, tcp)}) {
                Bytes bytes = frame.bytes();
                EXPECT_FALSE(checksums_right(bytes));
                EXPECT_TRUE(fill_checksums(bytes, {}));
                EXPECT_TRUE(frame.ipv6 || ipv4_right(frame, bytes));
                EXPECT_TRUE(transport_right(frame, bytes));
                EXPECT_TRUE(checksums_right(bytes));
            }
}

TEST(FillChecksums, TakesTheRestInPieces) {
    const IpFrame frame = with({}, 333, true);
    Bytes whole = frame.bytes();
    ASSERT_TRUE(fill_checksums(whole, {}));
    for (std::size_t first = frame.header_bytes(); first < whole.size(); first += 37) {
        Bytes bytes = frame.bytes();
        const std::size_t second = std::min(first + 11, bytes.size());
        const ByteSpan rest[] = {{&bytes[first], second - first}, {}, ByteSpan{bytes}.subspan(second)};
        EXPECT_TRUE(fill_checksums(std::span{bytes}.first(first), rest));
        EXPECT_EQ(bytes, whole);
    }
}

TEST(FillChecksums, LeavesOutPaddingAndWhatUdpDoesNotCover) {
    IpFrame frame = with({}, 5, false);
    frame.padding = Bytes(13, 0xee);
    Bytes bytes = frame.bytes();
    EXPECT_TRUE(fill_checksums(bytes, {}));
    EXPECT_TRUE(ipv4_right(frame, bytes));
    EXPECT_TRUE(transport_right(frame, bytes));
    // The kernel cuts off bytes past UDP's own length (__udp4_lib_rcv()).
    bytes[frame.transport_offset() + 5] = 8 + 2;
    EXPECT_TRUE(fill_checksums(bytes, {}));
    IpFrame shorter = frame;
    shorter.padding.resize(16);
    EXPECT_TRUE(transport_right(shorter, bytes));
}

TEST(FillChecksums, WritesNoZeroForUdp) {
    IpFrame frame = with({}, 2, false);
    for (unsigned value = 0; value < 0x10000; ++value) {
        frame.payload = {static_cast<std::uint8_t>(value >> 8), static_cast<std::uint8_t>(value)};
        Bytes bytes = frame.bytes();
        ASSERT_TRUE(fill_checksums(bytes, {}));
        const std::size_t at = frame.checksum_offset();
        ASSERT_NE(bytes[at] << 8 | bytes[at + 1], 0) << value;
    }
}

TEST(FillChecksums, OfAFragmentAreIpv4sAlone) {
    IpFrame frame;
    frame.fragment = 0x2000;
    const Bytes before = frame.bytes();
    Bytes bytes = before;
    EXPECT_FALSE(fill_checksums(bytes, {}));
    EXPECT_TRUE(ipv4_right(frame, bytes));
    EXPECT_TRUE(std::equal(bytes.begin() + 34, bytes.end(), before.begin() + 34));
}

TEST(FillChecksums, LeavesAlone) {
    Bytes arp(60);
    arp[12] = 8;
    arp[13] = 6;
    Bytes after = arp;
    EXPECT_FALSE(fill_checksums(after, {}));
    EXPECT_EQ(after, arp);
    Bytes none;
    EXPECT_FALSE(fill_checksums(none, {}));
}

TEST(ChecksumsRight, SeesEveryBitThatIsCovered) {
    for (IpFrame frame : {with({}, 9, true), with(IpFrame::v6(), 9, false)}) {
        Bytes bytes = frame.bytes();
        ASSERT_TRUE(fill_checksums(bytes, {}));
        const std::size_t from = frame.ipv6 ? frame.ip_offset() + 8 : frame.ip_offset();
        for (std::size_t bit = from * 8; bit < bytes.size() * 8; ++bit) {
            bytes[bit / 8] = static_cast<std::uint8_t>(bytes[bit / 8] ^ 1U << bit % 8);
            EXPECT_FALSE(checksums_right(bytes)) << bit;
            bytes[bit / 8] = static_cast<std::uint8_t>(bytes[bit / 8] ^ 1U << bit % 8);
        }
        EXPECT_TRUE(checksums_right(bytes));
    }
}

TEST(ChecksumsRight, NeedsAChecksum) {
    IpFrame frame;
    Bytes bytes = frame.bytes();
    ASSERT_TRUE(fill_checksums(bytes, {}));
    bytes[frame.checksum_offset()] = bytes[frame.checksum_offset() + 1] = 0;
    EXPECT_FALSE(checksums_right(bytes));
    EXPECT_FALSE(checksums_right({}));
}

TEST(Segment, CountsWhatAPayloadMakes) {
    EXPECT_EQ(Segment::count(0, 100), 1U);
    EXPECT_EQ(Segment::count(100, 100), 1U);
    EXPECT_EQ(Segment::count(101, 100), 2U);
    const Segment last = Segment::at(2, 250, 100);
    EXPECT_EQ(last.bytes, 50U);
    EXPECT_TRUE(last.last);
    EXPECT_FALSE(Segment::at(1, 250, 100).last);
    EXPECT_EQ(Segment::at(1, 250, 100).bytes, 100U);
    EXPECT_EQ(Segment::at(0, 0, 100).bytes, 0U);
    EXPECT_TRUE(Segment::at(0, 0, 100).last);
}

TEST(Segment, TakesHeadersThatEndWithTcpOrUdp) {
    IpFrame frame = with({}, 0, true);
    frame.tcp_options = Bytes(12, 1);
    Bytes header = frame.bytes();
    EXPECT_EQ(find_segment_headers(header).protocol, 6);
    header.push_back(0);
    EXPECT_EQ(find_segment_headers(header).protocol, 0);
    header.resize(header.size() - 2);
    EXPECT_EQ(find_segment_headers(header).protocol, 0);
    EXPECT_EQ(find_segment_headers(with(IpFrame::v6(), 0, false).bytes()).protocol, 17);
    EXPECT_EQ(find_segment_headers(with({}, 1, false).bytes()).protocol, 0);
    EXPECT_EQ(find_segment_headers(Bytes(14)).protocol, 0);
}

TEST(Segment, RefusesHeadersWhoseChecksumIsOfAnotherDestination) {
    IpFrame frame = with(IpFrame::v6(), 0, true);
    Bytes header = frame.bytes();
    header[20] = 43;  // a routing header with one segment left
    header.insert(header.begin() + 54, {6, 0, 0, 1, 0, 0, 0, 0});
    EXPECT_EQ(find_segment_headers(header).protocol, 0);
    header[57] = 0;  // with none left
    EXPECT_EQ(find_segment_headers(header).protocol, 6);
}

TEST(Segment, FitsIntoIpsLengthFields) {
    EXPECT_TRUE(Segment::fits(54, 14, 65495));
    EXPECT_FALSE(Segment::fits(54, 14, 65496));
}

TEST(Segment, CountsOnWhatCountsOn) {
    IpFrame frame = with({}, 0, true);
    frame.tcp_flags = 0x80 | 0x10 | 0x08 | 0x01;  // CWR, ACK, PSH, FIN
    const Bytes header = frame.bytes();
    for (std::uint32_t index = 0; index < 3; ++index) {
        Bytes copy = header;
        write_segment_header(copy, find_segment_headers(copy), Segment::at(index, 250, 100));
        IpFrame expected = frame;
        expected.payload.resize(index == 2 ? 50 : 100);
        expected.id = static_cast<std::uint16_t>(0xfffe + index);  // wraps
        expected.seq = 0xfffffff0U + index * 100;                  // wraps
        expected.tcp_flags = index == 0 ? 0x90 : index == 1 ? 0x10 : 0x19;
        Bytes wanted = expected.bytes();
        wanted.resize(header.size());
        EXPECT_EQ(copy, wanted) << index;
    }
}

TEST(Segment, HasItsOwnLengthInUdpAndIpv6) {
    const IpFrame frame = with(IpFrame::v6(), 0, false);
    Bytes header = frame.bytes();
    write_segment_header(header, find_segment_headers(header), Segment::at(0, 70, 70));
    IpFrame expected = frame;
    expected.payload.resize(70);
    Bytes wanted = expected.bytes();
    wanted.resize(header.size());
    EXPECT_EQ(header, wanted);
}

TEST(EthernetFcs, IsTheCrcThatEverybodyKnows) {
    const Bytes check{'1', '2', '3', '4', '5', '6', '7', '8', '9'};
    EXPECT_EQ(ethernet_fcs(check), (std::array<std::uint8_t, 4>{0x26, 0x39, 0xf4, 0xcb}));  // 0xcbf43926
    EXPECT_EQ(ethernet_fcs({}), (std::array<std::uint8_t, 4>{}));
}

}  // namespace
}  // namespace pktverbs::testing
