// SPDX-License-Identifier: Apache-2.0
// Offloads over every link: what one end asks for is what the other end gets.
#include <numeric>
#include <optional>

#include "ip_frame.hpp"
#include "link_ends.hpp"
#include "net/internet_checksum.hpp"

namespace pktverbs::testing {
namespace {

std::vector<IpFrame> frames_of_every_kind() {
    IpFrame tcp;
    tcp.tcp = true;
    tcp.payload.resize(1001);
    std::iota(tcp.payload.begin(), tcp.payload.end(), std::uint8_t{3});
    return {IpFrame{}, tcp, IpFrame::v6(), IpFrame::v6(true)};
}

Bytes with_checksums(const IpFrame& frame) {
    Bytes bytes = frame.bytes();
    EXPECT_TRUE(fill_checksums(bytes, {}));
    return bytes;
}

Options with(const Offloads& offloads) {
    return link_options_with([&](Options& options) {
        options.offloads = offloads;
        options.max_packet_size = 16'384;
    });
}

/// Sends a packet of these bytes, for which `ask` requests an offload.
template <class Ask>
void send_asking(Context& from, const Bytes& bytes, Ask&& ask) {
    SendList list = from.acquire(1, patience);
    ASSERT_EQ(list.size(), 1U);
    put(list.front(), bytes);
    ask(list.front());
    ASSERT_EQ(from.send(std::move(list)).error(), 0);
}

/// Calls `each` for the next frames.
template <class Each>
void receive(Context& from, Context& to, std::size_t count, Each&& each) {
    const auto give_up = std::chrono::steady_clock::now() + patience;
    for (std::size_t received = 0; received < count;) {
        from.flush(0ns);
        RecvList list = to.recv(1ms);
        for (RecvPkt& pkt : list) each(pkt);
        received += list.size();
        ASSERT_LT(std::chrono::steady_clock::now(), give_up) << received;
    }
}

class LinkOffloads : public OnLink {};
INSTANTIATE_TEST_SUITE_P(, LinkOffloads, ::testing::ValuesIn(links_with()), name_of_link);

TEST_P(LinkOffloads, FillInChecksums) {
    for (const Offload by : {Offload::device, Offload::software}) {
        LinkEnds ends{GetParam(), with({.send_checksums = by})};
        for (const auto& [from, to] : ends.both_ways()) {
            const Flow all = to->install(FlowRule{});
            for (const IpFrame& frame : frames_of_every_kind()) {
                send_asking(*from, frame.bytes(), [](SendPkt& pkt) { pkt.set_checksums(); });
                receive(*from, *to, 1, [&](RecvPkt& pkt) { EXPECT_EQ(whole(pkt), with_checksums(frame)); });
                send_asking(*from, frame.bytes(), [](SendPkt& pkt) { pkt.set_checksums(false); });
                receive(*from, *to, 1, [&](RecvPkt& pkt) { EXPECT_EQ(whole(pkt), frame.bytes()); });
            }
        }
    }
}

TEST_P(LinkOffloads, VerifyChecksumsInSoftware) {
    LinkEnds ends{GetParam(), with({.recv_checksums = Offload::software})};
    for (const auto& [from, to] : ends.both_ways()) {
        const Flow all = to->install(FlowRule{});
        for (const IpFrame& frame : frames_of_every_kind()) {
            send_frame(*from, with_checksums(frame));
            receive(*from, *to, 1, [](RecvPkt& pkt) { EXPECT_TRUE(pkt.checksum_ok()); });
        }
    }
}

TEST_P(LinkOffloads, FindWrongChecksumsInSoftware) {
    LinkEnds ends{GetParam(), with({.recv_checksums = Offload::software})};
    for (const auto& [from, to] : ends.both_ways()) {
        const Flow all = to->install(FlowRule{});
        for (const IpFrame& frame : frames_of_every_kind()) {
            Bytes wrong = with_checksums(frame);
            wrong.back() ^= 1;
            send_frame(*from, wrong);
            receive(*from, *to, 1, [](RecvPkt& pkt) { EXPECT_FALSE(pkt.checksum_ok()); });
        }
    }
}

TEST_P(LinkOffloads, InsertAndStripVlanTags) {
    LinkEnds ends{GetParam(), with({.insert_vlan = Offload::software, .strip_vlan = Offload::device})};
    for (const auto& [from, to] : ends.both_ways()) {
        const Flow all = to->install(FlowRule{});
        for (const IpFrame& frame : frames_of_every_kind())
            for (const std::optional<std::uint16_t> tci :
                 {std::optional<std::uint16_t>{}, std::optional<std::uint16_t>{0x2005}}) {
                send_asking(*from, frame.bytes(), [&](SendPkt& pkt) { pkt.set_vlan(tci); });
                receive(*from, *to, 1, [&](RecvPkt& pkt) {
                    EXPECT_EQ(pkt.vlan(), tci);
                    EXPECT_EQ(whole(pkt), frame.bytes());
                });
            }
    }
}

TEST_P(LinkOffloads, CutSegments) {
    for (const Offload by : {Offload::device, Offload::software}) {
        LinkEnds ends{GetParam(), with({.segmentation = by})};
        for (const auto& [from, to] : ends.both_ways()) {
            const Flow all = to->install(FlowRule{});
            IpFrame stream;
            stream.tcp = true;
            stream.payload.resize(16'000);
            std::iota(stream.payload.begin(), stream.payload.end(), std::uint8_t{3});
            send_asking(*from, stream.bytes(), [&](SendPkt& pkt) {
                pkt.set_segmentation(1460, static_cast<std::uint16_t>(stream.header_bytes()));
            });
            Bytes payload;
            receive(*from, *to, 11, [&](RecvPkt& pkt) {
                const Bytes segment = whole(pkt);
                EXPECT_TRUE(ipv4_right(stream, segment));
                EXPECT_TRUE(transport_right(stream, segment));
                payload.insert(payload.end(), segment.begin() + static_cast<std::ptrdiff_t>(stream.header_bytes()),
                               segment.end());
            });
            EXPECT_EQ(payload, stream.payload);
        }
    }
}

class LinkChecksumWord : public OnLink {};
INSTANTIATE_TEST_SUITE_P(, LinkChecksumWord, ::testing::ValuesIn(links_with({Lack::checksum_word})), name_of_link);

TEST_P(LinkChecksumWord, ComesWithWhatTheSenderFilledIn) {
    LinkEnds ends{GetParam(), with({.send_checksums = Offload::device})};
    for (const auto& [from, to] : ends.both_ways()) {
        const Flow all = to->install(FlowRule{});
        for (const IpFrame& frame : frames_of_every_kind()) {
            send_asking(*from, frame.bytes(), [](SendPkt& pkt) { pkt.set_checksums(); });
            receive(*from, *to, 1, [](RecvPkt& pkt) { EXPECT_TRUE(pkt.checksum_ok()); });
        }
    }
}

}  // namespace
}  // namespace pktverbs::testing
