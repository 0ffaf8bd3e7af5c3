// SPDX-License-Identifier: Apache-2.0
// The memif handshake: what each side refuses, and with which words.
#include <gtest/gtest.h>
#include <sys/eventfd.h>

#include <array>
#include <cstring>
#include <functional>
#include <optional>
#include <string>

#include "soft/link/memif/handshake.hpp"
#include "soft/link/memif/ring.hpp"

namespace pktverbs::soft::memif {
namespace {

using Progress = Step::Progress;

std::span<const std::byte> bytes_of(const Message& message) { return std::as_bytes(std::span{&message, 1}); }
FileDescriptor some_fd() { return FileDescriptor{eventfd(0, EFD_CLOEXEC)}; }

/// A server with id 7 in Ethernet mode, with a secret, that takes two rings, and id 8 in IP mode without one.
class MemifServerHandshake : public ::testing::Test {
protected:
    ServerHandshake server{HelloLimits{.rings = 2, .log2_slots = 14}, [](std::uint32_t id) -> std::optional<Terms> {
                               if (id == 7) return Terms{.id = 7, .secret = "sesame", .max_rings = 2, .name = "seven"};
                               if (id == 8) return Terms{.id = 8, .mode = Mode::ip, .max_rings = 1};
                               return std::nullopt;
                           }};

    static Message init(std::uint32_t id = 7, const char* secret = "sesame", Mode mode = Mode::ethernet) {
        Message message = Message::of(MessageType::init);
        message.body.init.version = protocol_version;
        message.body.init.id = id;
        message.body.init.mode = static_cast<std::uint8_t>(mode);
        message.body.init.secret = to_text<24>(secret);
        return message;
    }
    static Message region(std::uint16_t index = 0, std::uint64_t bytes = 65536) {
        Message message = Message::of(MessageType::add_region);
        message.body.add_region.index = index;
        message.body.add_region.bytes = bytes;
        return message;
    }
    static Message ring(std::uint16_t index, bool to_server, std::uint32_t offset = 0, std::uint8_t log2_slots = 4,
                        std::uint16_t in_region = 0) {
        Message message = Message::of(MessageType::add_ring);
        message.body.add_ring.flags = to_server ? AddRing::to_server : std::uint16_t{0};
        message.body.add_ring.index = index;
        message.body.add_ring.region = in_region;
        message.body.add_ring.offset = offset;
        message.body.add_ring.log2_slots = log2_slots;
        return message;
    }

    Step give(const Message& message, bool with_fd = false) {
        return server.receive(bytes_of(message), with_fd ? some_fd() : FileDescriptor{});
    }
    void agree() { ASSERT_EQ(give(init()).progress, Progress::agreed); }
    void agree_with_region() {
        agree();
        ASSERT_EQ(give(region(), true).progress, Progress::going_on);
    }
    void expect_refusal(const Message& message, const std::string& reason, bool with_fd = true) {
        const Step step = give(message, with_fd);
        EXPECT_EQ(step.progress, Progress::refused);
        EXPECT_NE(step.reason.find(reason), std::string::npos) << step.reason;
        ASSERT_TRUE(step.reply);
        ASSERT_EQ(step.reply->message.type, MessageType::disconnect);
        EXPECT_EQ(from_text(Text<96>{step.reply->message.body.disconnect.reason}), step.reason.substr(0, 95));
    }
};

TEST_F(MemifServerHandshake, ReportsHighestIndexesInHello) {
    const Message hello = server.hello();
    EXPECT_EQ(hello.type, MessageType::hello);
    EXPECT_EQ(+hello.body.hello.max_to_client_ring, 1);
    EXPECT_EQ(+hello.body.hello.max_to_server_ring, 1);
    EXPECT_EQ(+hello.body.hello.max_region, 255);
    EXPECT_EQ(+hello.body.hello.min_version, 0x0200);
    EXPECT_EQ(+hello.body.hello.max_log2_slots, 14);
}

TEST_F(MemifServerHandshake, GivesACompleteOffer) {
    agree_with_region();
    EXPECT_EQ(server.terms().name, "seven");
    EXPECT_EQ(give(ring(0, true), true).reply->message.type, MessageType::ack);
    EXPECT_EQ(give(ring(0, false, 1024), true).reply->message.type, MessageType::ack);
    const Step step = give(Message::of(MessageType::connect));
    EXPECT_EQ(step.progress, Progress::ready);
    EXPECT_FALSE(step.reply);
    const Offer offer = server.take_offer();
    ASSERT_EQ(offer.regions.size(), 1U);
    ASSERT_EQ(offer.to_server.size(), 1U);
    ASSERT_EQ(offer.to_client.size(), 1U);
    EXPECT_EQ(offer.to_client[0].offset, 1024U);
    EXPECT_TRUE(offer.to_client[0].event);
    EXPECT_EQ(from_text(Text<32>{server.connected().body.named.interface_name}), "seven");
}

TEST_F(MemifServerHandshake, RefusesMessagesOfOtherLengths) {
    const Message message = init();
    for (const std::size_t size : {0U, 1U, 127U}) {
        EXPECT_EQ(server.receive(bytes_of(message).first(size), {}).progress, Progress::refused) << size;
    }
    std::array<std::byte, 129> longer{};
    std::memcpy(longer.data(), &message, sizeof message);
    EXPECT_EQ(server.receive(longer, {}).reason, "a message of 129 bytes, not 128");
}

TEST_F(MemifServerHandshake, RefusesAnotherVersion) {
    Message message = init();
    message.body.init.version = 0x0101;
    expect_refusal(message, "version 1.1, and this is 2.0");
}

TEST_F(MemifServerHandshake, RefusesAnUnknownId) { expect_refusal(init(9), "no interface has the id 9"); }

TEST_F(MemifServerHandshake, RefusesAnotherMode) {
    expect_refusal(init(7, "sesame", Mode::ip), "mode 1, and id 7 is in mode 0 (ethernet)");
}

TEST_F(MemifServerHandshake, RefusesAWrongSecret) {
    for (const char* secret : {"", "sesam", "sesame!", "Sesame"})
        expect_refusal(init(7, secret), "wrong secret for id 7");
}

TEST_F(MemifServerHandshake, IgnoresASecretWhereNoneIsAskedFor) {
    EXPECT_EQ(give(init(8, "anything", Mode::ip)).progress, Progress::agreed);
}

TEST_F(MemifServerHandshake, RefusesMessagesOutOfOrder) {
    for (const MessageType type : {MessageType::ack, MessageType::hello, MessageType::add_region, MessageType::add_ring,
                                   MessageType::connect, MessageType::connected, MessageType{99}})
        expect_refusal(Message::of(type), "out of order");
    agree();
    expect_refusal(init(), "message 3 comes out of order");
}

TEST_F(MemifServerHandshake, RefusesBadRegions) {
    agree();
    expect_refusal(region(), "region 0 comes without a descriptor", false);
    expect_refusal(region(1), "region 1 where region 0 is next");
    expect_refusal(region(0, 0), "region 0 of 0 bytes");
    expect_refusal(region(0, UINT64_MAX), "region 0 of 18446744073709551615 bytes");
}

TEST_F(MemifServerHandshake, RefusesTooMuchMemory) {
    agree();
    ASSERT_EQ(give(region(0, std::uint64_t{16} << 30), true).progress, Progress::going_on);
    expect_refusal(region(1, 1), "region 1 of 1 bytes: 1 to 0 are left");
}

TEST_F(MemifServerHandshake, RefusesTooManyRegions) {
    agree();
    for (std::uint16_t i = 0; i < 256; ++i) ASSERT_EQ(give(region(i, 4096), true).progress, Progress::going_on) << i;
    expect_refusal(region(256, 4096), "more than 256 regions");
}

TEST_F(MemifServerHandshake, RefusesBadRings) {
    agree_with_region();
    expect_refusal(ring(0, true), "ring 0 comes without a descriptor", false);
    expect_refusal(ring(1, true), "ring 1 where ring 0 is next");
    expect_refusal(ring(0, true, 0, 15), "2^15 slots: 2^14 at most");
    expect_refusal(ring(0, true, 0, 255), "2^255 slots");
    expect_refusal(ring(0, true, 0, 4, 1), "region 1, which is not there");
    expect_refusal(ring(0, true, 65536 - 128 - 16 * 16 + 8), "past the end");
    expect_refusal(ring(0, true, UINT32_MAX - 7), "past the end");
    expect_refusal(ring(0, true, 0, 12), "past the end");
    expect_refusal(ring(0, true, 12), "no multiple of 8");
    EXPECT_EQ(give(ring(0, true, 65536 - 128 - 16 * 16), true).progress, Progress::going_on) << "the last that fits";
}

TEST_F(MemifServerHandshake, RefusesMoreRingsThanItTakes) {
    agree_with_region();
    for (std::uint16_t i = 0; i < 2; ++i) ASSERT_EQ(give(ring(i, true), true).progress, Progress::going_on);
    expect_refusal(ring(2, true), "ring 2: id 7 takes 2 in each direction");
    EXPECT_EQ(give(ring(0, false), true).progress, Progress::going_on);
}

TEST_F(MemifServerHandshake, RefusesAConnectionWithoutRings) {
    agree_with_region();
    ASSERT_EQ(give(ring(0, true), true).progress, Progress::going_on);
    expect_refusal(Message::of(MessageType::connect), "no ring in each direction");
}

TEST_F(MemifServerHandshake, EndsWithTheClientsReason) {
    Message message = disconnect_message("enough\x01");
    const Step step = give(message);
    EXPECT_EQ(step.progress, Progress::refused);
    EXPECT_FALSE(step.reply);
    EXPECT_EQ(step.reason, "enough?");
    std::memset(&message.body.disconnect.reason, 'x', 96);
    EXPECT_EQ(give(message).reason, std::string(96, 'x')) << "no zero at its end";
}

class MemifClientHandshake : public ::testing::Test {
protected:
    ClientHandshake client{ClientTerms{.id = 7, .secret = "sesame", .rings = 4, .log2_slots = 10, .name = "mine"}};

    static Message hello(std::uint16_t rings = 2) {
        Message message = Message::of(MessageType::hello);
        message.body.hello.min_version = message.body.hello.max_version = protocol_version;
        message.body.hello.max_to_server_ring = static_cast<std::uint16_t>(rings - 1);
        message.body.hello.max_to_client_ring = static_cast<std::uint16_t>(rings - 1);
        message.body.hello.max_log2_slots = 14;
        return message;
    }
    Step give(const Message& message) { return client.receive(bytes_of(message)); }
    static MessageType type_of(const Step& step) { return step.reply ? step.reply->message.type : MessageType{0}; }
};

TEST_F(MemifClientHandshake, TakesTheLesserNumbers) {
    Message message = hello(2);
    message.body.hello.max_log2_slots = 8;
    message.body.hello.max_to_client_ring = 65535;
    ASSERT_EQ(give(message).progress, Progress::agreed);
    EXPECT_EQ(client.rings_to_server(), 2);
    EXPECT_EQ(client.rings_to_client(), 4);
    EXPECT_EQ(client.log2_slots(), 8);
}

TEST_F(MemifClientHandshake, OffersOneThingForEachAck) {
    ASSERT_EQ(give(hello()).progress, Progress::agreed);
    Offer offer;
    offer.regions.push_back({65536, some_fd()});
    for (int i = 0; i < 2; ++i) {
        offer.to_server.push_back({0, 0, 4, some_fd()});
        offer.to_client.push_back({0, 1024, 4, some_fd()});
    }
    const Message ack = Message::of(MessageType::ack);
    Step step = client.offer(offer);
    ASSERT_EQ(type_of(step), MessageType::init);
    EXPECT_EQ(from_text(Text<24>{step.reply->message.body.init.secret}), "sesame");
    step = give(ack);
    ASSERT_EQ(type_of(step), MessageType::add_region);
    EXPECT_EQ(step.reply->fd, offer.regions[0].memory.get());
    for (int i = 0; i < 4; ++i) {
        step = give(ack);
        ASSERT_EQ(type_of(step), MessageType::add_ring);
        EXPECT_EQ(+step.reply->message.body.add_ring.index, i % 2);
        EXPECT_EQ(+step.reply->message.body.add_ring.flags, i < 2 ? 1 : 0);
    }
    EXPECT_EQ(type_of(give(ack)), MessageType::connect);
    EXPECT_EQ(give(Message::of(MessageType::connected)).progress, Progress::ready);
    EXPECT_EQ(give(ack).progress, Progress::refused) << "nothing is expected any more";
}

TEST_F(MemifClientHandshake, RefusesOtherVersions) {
    Message message = hello();
    message.body.hello.min_version = 0x0300;
    message.body.hello.max_version = 0x0301;
    EXPECT_EQ(give(message).reason, "versions 3.0 to 3.1, and this is 2.0");
}

TEST_F(MemifClientHandshake, RefusesMessagesOutOfOrder) {
    EXPECT_EQ(give(Message::of(MessageType::ack)).reason, "message 1 comes out of order");
    ASSERT_EQ(give(hello()).progress, Progress::agreed);
    EXPECT_EQ(give(hello()).progress, Progress::refused) << "its own offer is next";
    Offer offer;
    offer.regions.push_back({65536, some_fd()});
    client.offer(offer);
    EXPECT_EQ(give(Message::of(MessageType::connected)).progress, Progress::refused) << "not everything was offered";
}

TEST_F(MemifClientHandshake, EndsWithTheServersReason) {
    EXPECT_EQ(give(disconnect_message("no interface has the id 7 here")).reason, "no interface has the id 7 here");
}

}  // namespace
}  // namespace pktverbs::soft::memif
