// SPDX-License-Identifier: Apache-2.0
// What a connection gives out between take() and release(), and what its peer may do meanwhile.
#include <gtest/gtest.h>
#include <sys/mman.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstring>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "background.hpp"
#include "raw_peer.hpp"
#include "soft/link/memif/connection.hpp"

namespace pktverbs::testing {
namespace {

using soft::RxFrame;

constexpr memif::OfferShape shape{1, 1, 4, 2048};
constexpr std::uint32_t max_frame = 4000;
constexpr std::uint16_t slots = 16;

/// Our side of a connection, as a server or as a client, and its memory as the peer has it.
class RawConnection : public ::testing::TestWithParam<bool> {
protected:
    const bool is_server = GetParam();
    memif::Offer offer = memif::make_offer(shape);
    MappedFile peers{offer.regions[0].memory.get(), offer.regions[0].bytes};
    const memif::Ring to_server{peers.bytes().data() + offer.to_server[0].offset, 4};
    const memif::Ring to_client{peers.bytes().data() + offer.to_client[0].offset, 4};
    std::unique_ptr<memif::Connection> connection = make();

    std::unique_ptr<memif::Connection> make() {
        const memif::FrameForm form{memif::Mode::ethernet, {}, max_frame};
        for (const memif::Ring& ring : {to_server, to_client}) ring.set_cookie();
        auto made =
            is_server ? memif::Connection::serve(std::move(offer), form) : memif::Connection::bring(offer, shape, form);
        made->start();
        return made;
    }
    /// Of the ring to the server, or to the client.
    static std::uint32_t offset_of(bool server, std::size_t slot) {
        return static_cast<std::uint32_t>(shape.buffers_at(server ? 0 : 1) + slot % slots * 2048);
    }
};

/// Frames come from the peer.
class TakenFrames : public RawConnection {
protected:
    const memif::Ring ring = is_server ? to_server : to_client;
    std::array<RxFrame, 8> frames;
    std::vector<std::uint8_t> room = std::vector<std::uint8_t>(8 * 48 + max_frame);
    std::uint16_t given = 0;

    std::byte* buffer(std::size_t slot) { return peers.bytes().data() + offset_of(is_server, slot); }
    void give(std::uint32_t length, std::uint16_t flags = 0) {
        std::memset(buffer(given), given, std::min(length, 2048U));
        ring.write(given, {flags, 0, length, offset_of(is_server, given), 0});
        ++given;
        (is_server ? ring.head() : ring.tail()).store(given, std::memory_order_release);
    }
    /// Slots that the peer may write to again.
    std::uint16_t given_back() const {
        return static_cast<std::uint16_t>(is_server ? ring.tail().load() : ring.head().load() - slots);
    }
    std::size_t take(std::size_t most = 8) { return connection->take(std::span{frames}.first(most), room); }
};
INSTANTIATE_TEST_SUITE_P(As, TakenFrames, ::testing::Bool(),
                         [](const auto& info) { return info.param ? "server" : "client"; });

TEST_P(TakenFrames, AreGivenBackWhenTheyAreReleased) {
    for (int i = 0; i < 3; ++i) give(64);
    ASSERT_EQ(take(2), 2U);
    EXPECT_EQ(given_back(), 0);
    EXPECT_TRUE(connection->has_frames());
    connection->release();
    EXPECT_EQ(given_back(), 2);
    ASSERT_EQ(take(), 1U);
    EXPECT_EQ(given_back(), 2);
    EXPECT_EQ(frames[0].data[0], 2);
    connection->release();
    EXPECT_EQ(given_back(), 3);
    EXPECT_FALSE(connection->has_frames());
    connection->release();
    EXPECT_EQ(given_back(), 3) << "once";
}

TEST_P(TakenFrames, AreInPlaceWithAHeadOfTheirOwn) {
    for (int i = 0; i < 2; ++i) give(100);
    ASSERT_EQ(take(), 2U);
    for (std::size_t i = 0; i < 2; ++i) {
        ASSERT_NE(frames[i].head, nullptr);
        EXPECT_EQ(frames[i].length, 100U);
        std::memset(buffer(i), 0x77, 100);
        EXPECT_EQ(frames[i].data[99], 0x77) << "in place";
        for (std::size_t at = 0; at < RxFrame::head_bytes; ++at) ASSERT_EQ(frames[i].head[at], i) << at;
        std::array<std::uint8_t, 100> copy{};
        frames[i].copy(copy.data());
        EXPECT_EQ(copy[RxFrame::head_bytes - 1], i);
        EXPECT_EQ(copy[RxFrame::head_bytes], 0x77);
        EXPECT_EQ(copy[99], 0x77);
    }
    connection->release();
}

TEST_P(TakenFrames, AreCopiedIfTheyAreShorterThanAHeadOrInPieces) {
    give(RxFrame::head_bytes - 1);
    give(100, memif::Descriptor::next);
    give(50);
    give(RxFrame::head_bytes);
    ASSERT_EQ(take(), 3U);
    for (std::size_t slot = 0; slot < 4; ++slot) std::memset(buffer(slot), 0x77, 100);
    EXPECT_EQ(frames[0].head, nullptr);
    EXPECT_EQ(frames[0].length, RxFrame::head_bytes - 1);
    EXPECT_EQ(frames[0].data[RxFrame::head_bytes - 2], 0);
    EXPECT_EQ(frames[1].head, nullptr);
    EXPECT_EQ(frames[1].length, 150U);
    EXPECT_EQ(frames[1].data[99], 1);
    EXPECT_EQ(frames[1].data[100], 2);
    ASSERT_NE(frames[2].head, nullptr);
    EXPECT_EQ(frames[2].head[RxFrame::head_bytes - 1], 3);
    EXPECT_EQ(given_back(), 0);
    connection->release();
    EXPECT_EQ(given_back(), 4);
}

TEST_P(TakenFrames, LeaveWhatThereIsNoRoomFor) {
    for (int i = 0; i < 3; ++i) give(2000, i < 2 ? memif::Descriptor::next : std::uint16_t{0});
    EXPECT_EQ(take(), 0U) << "too long: lost";
    EXPECT_EQ(given_back(), 3) << "nothing was given out";
    EXPECT_EQ(connection->lost(), 1U);
    for (int i = 0; i < 6; ++i) give(2000, i % 2 == 0 ? memif::Descriptor::next : std::uint16_t{0});
    give(60);
    room.resize(max_frame + 30);
    ASSERT_EQ(take(), 1U);
    connection->release();
    EXPECT_EQ(given_back(), 5);
    room.resize(2 * max_frame + 30);
    ASSERT_EQ(take(), 2U) << "not the head of the third";
    connection->release();
    ASSERT_EQ(take(), 1U);
    connection->release();
    EXPECT_EQ(given_back(), 10);
}

TEST_P(TakenFrames, AreTakenRingAfterRing) {
    for (int round = 0; round < 40; ++round) {
        for (int i = 0; i < slots; ++i) give(static_cast<std::uint32_t>(42 + round));
        for (int half = 0; half < 2; ++half) {
            ASSERT_EQ(take(), 8U) << round;
            EXPECT_EQ(frames[0].data[0], static_cast<std::uint8_t>(round * slots + 8 * half));
            connection->release();
        }
        ASSERT_EQ(given_back(), given);
    }
}

TEST(Ring, DoesNotWriteWhatIsThere) {
    memif::Offer offer = memif::make_offer(shape);
    const MappedFile memory{offer.regions[0].memory.get(), offer.regions[0].bytes};
    const memif::Ring ring{memory.bytes().data(), 4};
    const memif::Descriptor written{0, 0, 60, 4096, 0};
    ring.write(3, written);
    ASSERT_EQ(mprotect(memory.bytes().data(), 4096, PROT_READ), 0);
    ring.write(3, written);
    ASSERT_EQ(mprotect(memory.bytes().data(), 4096, PROT_READ | PROT_WRITE), 0);
    ring.write(3, {0, 0, 61, 4096, 0});
    EXPECT_EQ(ring.read(3).length, 61U);
}

/// Frames go to the peer.
class SentFrames : public RawConnection {
protected:
    const memif::Ring ring = is_server ? to_client : to_server;
    const std::vector<std::uint8_t> bytes = [] {
        std::vector<std::uint8_t> made(4096);
        for (std::size_t i = 0; i < made.size(); ++i) made[i] = static_cast<std::uint8_t>(i * 7);
        return made;
    }();
    std::uint16_t taken = 0;  ///< by the peer, who has posted a ring of buffers beyond that

    SentFrames() { let_go(0); }
    void let_go(std::uint16_t more) {
        taken = static_cast<std::uint16_t>(taken + more);
        if (!is_server) return ring.tail().store(taken, std::memory_order_release);
        for (std::uint16_t i = 0; i < slots; ++i) {
            const auto slot = static_cast<std::uint16_t>(taken + i);
            if (i >= slots - more || taken == more) ring.write(slot, {0, 0, 2048, offset_of(false, slot), 0});
        }
        ring.head().store(static_cast<std::uint16_t>(taken + slots), std::memory_order_release);
    }
    ibv_sge piece(std::size_t at, std::uint32_t length) const {
        return {reinterpret_cast<std::uint64_t>(bytes.data()) + at, length, 0};
    }
    static soft::TxFrame frame_of(std::span<const ibv_sge> pieces) {
        std::uint32_t length = 0;
        for (const ibv_sge& one : pieces) length += one.length;
        return {pieces.data(), static_cast<std::uint32_t>(pieces.size()), length, false, nullptr};
    }
    std::size_t send(const std::vector<soft::TxFrame>& frames) { return connection->send_rings()[0].send(frames); }
    std::uint16_t sent() const { return (is_server ? ring.tail() : ring.head()).load(std::memory_order_acquire); }
    bool is_in_slot(std::uint16_t slot, std::size_t at, std::size_t length) const {
        const memif::Descriptor found = ring.read(slot);
        return found.length == length &&
               std::memcmp(peers.bytes().data() + found.offset, bytes.data() + at, length) == 0;
    }
};
INSTANTIATE_TEST_SUITE_P(As, SentFrames, ::testing::Bool(),
                         [](const auto& info) { return info.param ? "server" : "client"; });

TEST_P(SentFrames, AreTakenWhileThereIsRoom) {
    const ibv_sge whole = piece(0, 64);
    const std::vector<soft::TxFrame> many(slots + 3U, frame_of({&whole, 1}));
    EXPECT_EQ(send(many), slots);
    EXPECT_EQ(sent(), slots);
    EXPECT_EQ(send(many), 0U);
    EXPECT_FALSE(connection->send_rings()[0].has_wanted_room());
    EXPECT_EQ(connection->count_left_over(), slots);
    let_go(2);
    EXPECT_TRUE(connection->send_rings()[0].has_wanted_room());
    EXPECT_EQ(send(many), 2U);
    EXPECT_EQ(sent(), slots + 2);
    EXPECT_EQ(connection->send_rings()[0].fault(), nullptr);
}

TEST_P(SentFrames, LookAtThePeersIndexForRoomAlone) {
    const ibv_sge whole = piece(0, 64);
    const auto& rings = connection->send_rings();
    const std::vector<soft::TxFrame> many(slots, frame_of({&whole, 1}));
    ASSERT_EQ(send({many[0]}), 1U);
    (is_server ? ring.head() : ring.tail()).store(1000);
    ASSERT_EQ(send({many[0]}), 1U);
    EXPECT_EQ(rings[0].fault(), nullptr);
    EXPECT_EQ(send(many), 0U);
    EXPECT_NE(rings[0].fault(), nullptr);
    EXPECT_EQ(sent(), 2);
}

TEST_P(SentFrames, OfPiecesAreGathered) {
    const ibv_sge scattered[] = {piece(100, 20), piece(9, 0), piece(500, 30), piece(300, 50)};
    const ibv_sge whole = piece(7, 2048);
    const ibv_sge longer[] = {piece(0, 2000), piece(2000, 100)};
    const ibv_sge long_whole = piece(0, 2100);
    EXPECT_EQ(send({frame_of(scattered), frame_of({&whole, 1}), frame_of(longer), frame_of({&long_whole, 1})}), 4U);
    EXPECT_EQ(sent(), 6);
    EXPECT_EQ(ring.read(0).length, 100U);
    std::size_t at = ring.read(0).offset;
    for (const ibv_sge& part : scattered) {
        EXPECT_EQ(std::memcmp(peers.bytes().data() + at, reinterpret_cast<const void*>(part.addr), part.length), 0);
        at += part.length;
    }
    EXPECT_TRUE(is_in_slot(1, 7, 2048));
    for (const std::uint16_t first : {std::uint16_t{2}, std::uint16_t{4}}) {
        EXPECT_EQ(ring.read(first).flags, memif::Descriptor::next);
        EXPECT_TRUE(is_in_slot(first, 0, 2048));
        EXPECT_EQ(ring.read(static_cast<std::uint16_t>(first + 1)).flags, 0);
        EXPECT_TRUE(is_in_slot(static_cast<std::uint16_t>(first + 1), 2048, 52));
    }
    EXPECT_EQ(connection->count_left_over(), 4U);
}

/// The peer changes the port in a frame all the time: what comes by a flow has the flow's port.
TEST(ChangedFrame, HasThePortOfItsFlow) {
    const std::string socket = socket_name();
    Options options = frames_of_9000;
    options.timestamps = true;  // for flow tags
    Context server{"memif:" + socket + "?role=server", options};
    const Flow flows[] = {server.install(FlowRule{}.udp().dst_port(0x0101).tag(1)),
                          server.install(FlowRule{}.udp().dst_port(0x0202).tag(2))};
    RawClient client{socket};
    ASSERT_EQ(client.offer(shape), "");
    ASSERT_TRUE(wait_until_up(server));
    const memif::Ring ring = client.to_server();
    constexpr std::size_t bytes = 64;
    const std::uint8_t header[] = {2, 0,  0,  0, 0, 1,  2, 0, 0, 0,  1, 0, 8, 0, 0x45, 0, 0, 50, 0,  0, 0,
                                   0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2, 1, 1,    1, 1, 0,  30, 0, 0};
    constexpr std::size_t port_at = 36;
    const auto buffer = [&](std::size_t slot) {
        return client.memory->bytes().data() + shape.buffers_at(0) + slot % slots * 2048;
    };
    for (std::uint16_t slot = 0; slot < slots; ++slot) {
        std::memcpy(buffer(slot), header, sizeof header);
        ring.write(slot, {0, 0, bytes, static_cast<std::uint32_t>(shape.buffers_at(0) + slot * 2048U), 0});
    }
    const Background changing{[&, port = std::uint16_t{0x0101}]() mutable {
        port = static_cast<std::uint16_t>(port ^ 0x0303);
        for (std::size_t slot = 0; slot < slots; ++slot)
            std::atomic_ref{*reinterpret_cast<std::uint16_t*>(buffer(slot) + port_at)}.store(port,
                                                                                             std::memory_order_relaxed);
    }};
    int seen[3] = {};
    for (int received = 0; received < 20'000 || seen[1] < 100 || seen[2] < 100;) {
        ring.head().store(static_cast<std::uint16_t>(ring.tail().load() + slots));
        for (const RecvPkt& pkt : server.recv(0ns)) {
            const std::uint32_t tag = pkt.flow_tag();
            ++received;
            ASSERT_TRUE(tag == 1 || tag == 2) << tag;
            ++seen[tag];
            ASSERT_EQ(pkt.bytes()[port_at], tag);
            ASSERT_EQ(pkt.bytes()[port_at + 1], tag);
        }
    }
}

}  // namespace
}  // namespace pktverbs::testing
