// SPDX-License-Identifier: Apache-2.0
// Frames in pieces: gathered from several elements, scattered to several.
#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <random>

#include "ip_frame.hpp"
#include "verbs_end.hpp"

namespace pktverbs::testing {
namespace {

const EndOptions many{.sges = 16};

/// Cuts `length` bytes into `parts` pieces, some of them empty.
std::vector<std::uint32_t> cut(std::uint32_t length, std::size_t parts, std::mt19937& random) {
    std::vector<std::uint32_t> cuts{0, length};
    while (cuts.size() < parts + 1) cuts.push_back(static_cast<std::uint32_t>(random() % (length + 1)));
    std::sort(cuts.begin(), cuts.end());
    std::adjacent_difference(cuts.begin(), cuts.end(), cuts.begin());
    return {cuts.begin() + 1, cuts.end()};
}

TEST(Gather, SendsOneToSixteenPieces) {
    VerbsEnd end{many};
    WireTap tap{"w"};
    std::mt19937 random{1};
    for (std::size_t parts = 1; parts <= 16; ++parts) {
        const Frame frame = frame_to(1, 700);
        Sges sges;
        std::size_t from = 0;
        for (const std::uint32_t length : cut(700, parts, random)) {
            const Frame piece{frame.begin() + static_cast<std::ptrdiff_t>(from),
                              frame.begin() + static_cast<std::ptrdiff_t>(from + length)};
            sges.push_back(end.put(4000 * sges.size() + 7, piece));
            from += length;
        }
        ASSERT_EQ(end.post_send(parts, sges), 0);
        const ibv_wc wc = poll_one(end.send_cq);
        EXPECT_WC(wc, parts, IBV_WC_SUCCESS);
        EXPECT_EQ(tap.receive(), Frames{frame}) << parts;
    }
}

TEST(Gather, KeepsFramesOfOneListApart) {
    VerbsEnd end{{.sges = 2, .state = IBV_QPS_SQD}};
    WireTap tap{"w"};
    std::vector<Frame> expected;
    for (std::uint8_t i = 0; i < 8; ++i) {
        expected.push_back(frame_to(i, 100U + i));
        end.put(1000U * i, expected.back());
        const Sges whole{end.sge(1000U * i, 100U + i)};
        const Sges halves{end.sge(1000U * i, 50), end.sge(1000U * i + 50, 50U + i)};
        ASSERT_EQ(end.post_send(i, i % 2 ? halves : whole), 0);
    }
    ASSERT_EQ(step(end.qp.get(), IBV_QPS_RTS), 0);
    EXPECT_EQ(tap.receive(), expected);
}

TEST(Scatter, FillsOneToSixteenPieces) {
    VerbsEnd end{many};
    WireTap tap{"w"};
    std::mt19937 random{2};
    for (std::size_t parts = 1; parts <= 16; ++parts) {
        std::fill(end.memory.begin(), end.memory.end(), std::uint8_t{0xee});
        const Frame frame = frame_to(1, 700);
        Sges sges;
        for (const std::uint32_t length : cut(700, parts, random))
            sges.push_back(end.sge(4000 * sges.size() + 7, length));
        ASSERT_EQ(end.post_recv(parts, sges), 0);
        tap.send(frame);
        EXPECT_EQ(poll_one(end.recv_cq).byte_len, 700U);
        Frame gathered;
        for (std::size_t i = 0; i < sges.size(); ++i) {
            const auto piece = end.bytes(4000 * i + 7, sges[i].length);
            gathered.insert(gathered.end(), piece.begin(), piece.end());
            EXPECT_EQ(end.memory[4000 * i + 7 + sges[i].length], 0xee);
            EXPECT_EQ(end.memory[4000 * i + 6], 0xee);
        }
        EXPECT_EQ(gathered, frame) << parts;
    }
}

TEST(Scatter, LeavesAloneWhatAFrameDoesNotReach) {
    VerbsEnd end;
    WireTap tap{"w"};
    ASSERT_EQ(end.post_recv(1, {end.sge(0, 42), end.sge(1000, 100), end.sge(2000, 100)}), 0);
    const Frame frame = frame_to(1);
    tap.send(frame);
    EXPECT_EQ(poll_one(end.recv_cq).byte_len, 60U);
    EXPECT_EQ(end.copy(0, 42), Frame(frame.begin(), frame.begin() + 42));
    EXPECT_EQ(end.copy(1018, 82), Frame(82));
    EXPECT_EQ(end.copy(2000, 100), Frame(100));
}

TEST(Scatter, SkipsEmptyElementsWhateverTheyName) {
    VerbsEnd end;
    WireTap tap{"w"};
    const Frame frame = frame_to(1);
    end.put(0, frame);
    ASSERT_EQ(end.post_send(1, {{0, 0, 0}, end.sge(0, 14), {0, 0, 0xffff}, end.sge(14, 46)}), 0);
    EXPECT_WC(poll_one(end.send_cq), 1U, IBV_WC_SUCCESS);
    EXPECT_EQ(tap.receive(), Frames{frame});
    ASSERT_EQ(end.post_recv(2, {{0, 0, 0}, end.sge(1000, 14), {0, 0, 0xffff}, end.sge(1014, 46)}), 0);
    tap.send(frame);
    EXPECT_WC(poll_one(end.recv_cq), 2U, IBV_WC_SUCCESS);
    EXPECT_EQ(end.copy(1000, 60), frame);
}

TEST(Scatter, CarriesTheLongestFrame) {
    VerbsEnd end;
    VerbsEnd peer;
    const Frame frame = frame_to(1, 9022);
    ASSERT_EQ(peer.post_recv(1, {peer.sge(0, 5000), peer.sge(30000, 5000)}), 0);
    ASSERT_EQ(end.post_send(1, {end.put(0, frame)}), 0);
    EXPECT_EQ(poll_one(peer.recv_cq).byte_len, 9022U);
    EXPECT_EQ(peer.copy(0, 5000), Frame(frame.begin(), frame.begin() + 5000));
    EXPECT_EQ(peer.copy(30000, 4022), Frame(frame.begin() + 5000, frame.end()));
}

/// The entry's place had an element before.
TEST(Scatter, HasNoElementsWhereNoneArePosted) {
    VerbsEnd end{{.recv_depth = 4}};
    WireTap tap{"w"};
    const Frame frame = IpFrame{}.bytes();
    end.fill(4);
    for (int i = 0; i < 4; ++i) tap.send(frame);
    EXPECT_EQ(count_status(poll_all(end.recv_cq), IBV_WC_SUCCESS), 4U);
    std::ranges::fill(end.memory, std::uint8_t{0x11});
    ASSERT_EQ(end.post_recv(5, {}), 0);
    tap.send(frame);
    EXPECT_WC(poll_one(end.recv_cq), 5U, IBV_WC_LOC_LEN_ERR);
    EXPECT_EQ(std::ranges::count(end.memory, 0x11), static_cast<std::ptrdiff_t>(end.memory.size()));
}

}  // namespace
}  // namespace pktverbs::testing
