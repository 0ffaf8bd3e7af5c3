// SPDX-License-Identifier: Apache-2.0
// PacketSender, over Unix datagram sockets: they push back when the reader is slow, as an interface does, and need no
// privilege.
#include "soft/link/packet_sender.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <string>
#include <vector>

namespace pktverbs::soft {
namespace {

struct PacketSenderTest : public ::testing::Test {
    PacketSenderTest() { EXPECT_EQ(::socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, sockets), 0); }
    ~PacketSenderTest() override {
        close_reader();
        ::close(sockets[0]);
    }
    void close_reader() {
        if (sockets[1] >= 0) ::close(sockets[1]);
        sockets[1] = -1;
    }
    /// The next frame's bytes; empty if there is none.
    std::vector<std::uint8_t> read() {
        std::vector<std::uint8_t> bytes(10'000);
        const ssize_t count = ::recv(sockets[1], bytes.data(), bytes.size(), 0);
        bytes.resize(count < 0 ? 0 : static_cast<std::size_t>(count));
        return bytes;
    }

    int sockets[2];
};

ibv_sge piece(const void* data, std::size_t bytes) {
    return {reinterpret_cast<std::uintptr_t>(data), static_cast<std::uint32_t>(bytes), 0};
}

TEST_F(PacketSenderTest, TakesNothingFromNothing) {
    PacketSender sender{sockets[0]};
    EXPECT_EQ(sender.send({}), 0u);
    EXPECT_TRUE(read().empty());
}

TEST_F(PacketSenderTest, JoinsThePiecesOfAFrame) {
    const ibv_sge pieces[] = {piece("head", 4), piece("", 0), piece("er|", 3), piece("payload", 7)};
    const TxFrame frame{pieces, 4, 14, false, nullptr};
    PacketSender sender{sockets[0]};
    EXPECT_EQ(sender.send({&frame, 1}), 1u);
    const auto bytes = read();
    EXPECT_EQ(std::string(bytes.begin(), bytes.end()), "header|payload");
}

TEST_F(PacketSenderTest, NeitherLosesNorReordersWhenTheKernelPushesBack) {
    constexpr std::uint32_t count = 5000;
    std::vector<std::uint32_t> numbers(count);
    std::vector<ibv_sge> pieces(count);
    std::vector<TxFrame> frames(count);
    for (std::uint32_t i = 0; i < count; ++i) {
        numbers[i] = i;
        pieces[i] = piece(&numbers[i], sizeof numbers[i]);
        frames[i] = {&pieces[i], 1, sizeof numbers[i], false, nullptr};
    }
    PacketSender sender{sockets[0]};
    std::size_t sent = 0;
    std::size_t pushed_back = 0;
    std::uint32_t expected = 0;
    while (expected < count) {
        const std::span rest = std::span{frames}.subspan(sent, std::min<std::size_t>(100, count - sent));
        const std::size_t taken = sender.send(rest);
        pushed_back += taken < rest.size();
        sent += taken;
        if (taken == rest.size() && sent < count) continue;  // until it pushes back
        for (auto bytes = read(); !bytes.empty(); bytes = read()) {
            std::uint32_t number;
            ASSERT_EQ(bytes.size(), sizeof number);
            std::memcpy(&number, bytes.data(), sizeof number);
            ASSERT_EQ(number, expected++);
        }
    }
    EXPECT_EQ(sent, count);
    EXPECT_GT(pushed_back, 0u);
    EXPECT_EQ(sender.lost(), 0u);
}

TEST_F(PacketSenderTest, CountsAFrameThatIsTooLongAsLostAndGoesOn) {
    const int buffer_bytes = 8192;
    ASSERT_EQ(::setsockopt(sockets[0], SOL_SOCKET, SO_SNDBUF, &buffer_bytes, sizeof buffer_bytes), 0);
    const std::vector<std::uint8_t> data(100'000);
    const ibv_sge pieces[] = {piece(data.data(), 10), piece(data.data(), data.size()), piece(data.data(), 20)};
    const TxFrame frames[] = {{&pieces[0], 1, 10, false, nullptr},
                              {&pieces[1], 1, 100'000, false, nullptr},
                              {&pieces[2], 1, 20, false, nullptr}};
    PacketSender sender{sockets[0]};
    EXPECT_EQ(sender.send(frames), 3u);
    EXPECT_EQ(sender.lost(), 1u);
    EXPECT_EQ(read().size(), 10u);
    EXPECT_EQ(read().size(), 20u);
}

TEST_F(PacketSenderTest, CountsAFrameOfTooManyPiecesAsLostAndGoesOn) {
    const std::vector<ibv_sge> pieces(1025, piece("x", 1));
    const TxFrame frames[] = {{pieces.data(), 1, 1, false, nullptr},
                              {pieces.data(), 1025, 1025, false, nullptr},
                              {pieces.data(), 1024, 1024, false, nullptr}};
    PacketSender sender{sockets[0]};
    EXPECT_EQ(sender.send(frames), 3u);
    EXPECT_EQ(sender.lost(), 1u);
    EXPECT_EQ(read().size(), 1u);
    EXPECT_EQ(read().size(), 1024u);
}

TEST_F(PacketSenderTest, NeverSticksAtASocketThatRefusesEverything) {
    close_reader();  // ECONNREFUSED for each
    const ibv_sge one = piece("x", 1);
    const std::vector<TxFrame> frames(200, TxFrame{&one, 1, 1, false, nullptr});
    PacketSender sender{sockets[0]};
    EXPECT_EQ(sender.send(frames), 200u);
    EXPECT_EQ(sender.lost(), 200u);
}

}  // namespace
}  // namespace pktverbs::soft
