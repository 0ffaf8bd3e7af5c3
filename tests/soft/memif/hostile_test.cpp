// SPDX-License-Identifier: Apache-2.0
// A memif peer that breaks the protocol, or writes anything anywhere in the shared memory at any time.
#include <fcntl.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <atomic>
#include <cstring>
#include <future>
#include <random>
#include <thread>

#include "raw_peer.hpp"

namespace pktverbs::testing {
namespace {

/// Our server, and a client that does what it likes.
class HostileMemifClient : public ::testing::Test {
protected:
    const std::string socket = socket_name();
    End server{"memif:" + socket + "?role=server&queues=2"};

    void expect_disconnected(RawClient& client, const std::string& reason) {
        ASSERT_TRUE(wait_until_up(server.ctx));
        server.ctx.recv(0ns);
        EXPECT_EQ(client.last_word(), reason);
        EXPECT_TRUE(wait_until_down(server.ctx));
    }
};

TEST_F(HostileMemifClient, IsRefusedWithoutASealAgainstTruncation) {
    memif::Offer offer = memif::make_offer({1, 1, 4, 2048});
    const FileDescriptor unsealed{memfd_create("unsealed", MFD_CLOEXEC | MFD_ALLOW_SEALING)};
    ASSERT_EQ(ftruncate(unsealed.get(), static_cast<off_t>(offer.regions[0].bytes)), 0);
    offer.regions[0].memory = FileDescriptor{dup(unsealed.get())};
    EXPECT_EQ(RawClient{socket}.offer(std::move(offer)), "region 0 could be truncated: it has no F_SEAL_SHRINK");
}

TEST_F(HostileMemifClient, IsRefusedWithARegionShorterThanItSays) {
    memif::Offer offer = memif::make_offer({1, 1, 4, 2048});
    const std::uint64_t bytes = offer.regions[0].bytes;
    offer.regions[0].bytes = bytes + 1;
    EXPECT_EQ(RawClient{socket}.offer(std::move(offer)),
              fmt::format("region 0 is said to have {} bytes and has {}", bytes + 1, bytes));
}

TEST_F(HostileMemifClient, IsRefusedWithoutACookie) {
    EXPECT_EQ(RawClient{socket}.offer(memif::make_offer({1, 1, 4, 2048})), "a ring begins with 0x0, not 0x3e31f20");
}

TEST_F(HostileMemifClient, IsRefusedWithOtherDescriptorsForEvents) {
    int ends[2];
    ASSERT_EQ(pipe2(ends, O_CLOEXEC), 0);
    const FileDescriptor read_end{ends[0]};
    memif::Offer offer = memif::make_offer({1, 1, 4, 2048});
    offer.to_client[0].event = FileDescriptor{ends[1]};
    EXPECT_EQ(RawClient{socket}.offer(std::move(offer)), "a ring's descriptor is no eventfd");
}

TEST_F(HostileMemifClient, HoldsNoReceiverByBlockingEventfds) {
    constexpr memif::OfferShape shape{1, 1, 4, 2048};
    RawClient client{socket};
    ASSERT_EQ(client.offer(shape), "");
    ASSERT_TRUE(wait_until_up(server.ctx));
    // The open file description is the server's, too.
    const int event = client.own.to_server[0].event.get();
    ASSERT_EQ(fcntl(event, F_SETFL, 0), 0);
    EXPECT_EQ(server.ctx.recv(1ms).outcome(), Outcome::timeout);
    client.to_server().write(0, {0, 0, 64, static_cast<std::uint32_t>(shape.buffers_at(0)), 0});
    client.to_server().head().store(1);
    const std::uint64_t one = 1;
    ASSERT_EQ(write(event, &one, sizeof one), static_cast<ssize_t>(sizeof one));
    EXPECT_EQ(server.ctx.recv(patience).size(), 1U);
    EXPECT_EQ(server.ctx.recv(1ms).outcome(), Outcome::timeout);
}

TEST_F(HostileMemifClient, IsTheOnlyOneOfItsId) {
    RawClient first{socket};
    ASSERT_EQ(first.offer(), "");
    EXPECT_EQ(RawClient{socket}.offer(), "id 0 has its client already");
    first.channel.reset();
    ASSERT_TRUE(wait_until_up(server.ctx));
    ASSERT_TRUE(wait_until_down(server.ctx));
    RawClient next{socket};
    EXPECT_EQ(next.offer(), "") << "the place is free again";
}

TEST_F(HostileMemifClient, IsDisconnectedForAnIndexOutOfItsRing) {
    RawClient client{socket};
    ASSERT_EQ(client.offer(), "");
    client.to_server().head().store(17);
    expect_disconnected(client, "the head of a ring to the server runs past its tail");
}

TEST_F(HostileMemifClient, IsDisconnectedForABufferOutOfItsRegion) {
    RawClient client{socket};
    ASSERT_EQ(client.offer(), "");
    ASSERT_TRUE(wait_until_up(server.ctx));
    client.to_client().write(0, {0, 0, 2048, static_cast<std::uint32_t>(client.memory->bytes().size() - 2047), 0});
    client.to_client().head().store(1);
    server.send(0, 1);
    EXPECT_EQ(client.last_word(), "an empty buffer reaches out of its region");
    ASSERT_TRUE(wait_until_down(server.ctx));
    EXPECT_EQ(server.ctx.stats().drops.unsent, 1U);
}

TEST_F(HostileMemifClient, IsDisconnectedForAMessageThatIsNotExpected) {
    RawClient client{socket};
    ASSERT_EQ(client.offer(), "");
    client.channel->send({memif::Message::of(memif::MessageType::ack)});
    expect_disconnected(client, "a message that is not expected");
}

/// The same for a peer that behaves: it is told when to write to the eventfd.
TEST_F(HostileMemifClient, InterruptsOnlyWaitingThreads) {
    RawClient client{socket};
    ASSERT_EQ(client.offer(), "");
    ASSERT_TRUE(wait_until_up(server.ctx));
    const memif::Ring ring = client.to_server();
    EXPECT_TRUE(ring.is_masked());
    server.ctx.drain();  // of the port's event
    ASSERT_TRUE(server.ctx.arm());
    EXPECT_FALSE(ring.is_masked());
    const Bytes wanted = frame(7);
    std::memcpy(client.memory->bytes().data() + 8192, wanted.data(), wanted.size());
    ring.write(0, {0, 0, 64, 8192, 0});
    ring.head().store(1);
    pollfd polled{server.ctx.fd(), POLLIN, 0};
    EXPECT_EQ(poll(&polled, 1, 0), 0) << "without the event";
    const std::uint64_t one = 1;
    ASSERT_EQ(write(client.own.to_server[0].event.get(), &one, sizeof one), 8);
    EXPECT_EQ(poll(&polled, 1, 0), 1);
    server.ctx.drain();
    server.expect(7, 1);
    EXPECT_TRUE(ring.is_masked());
}

/// A frame that came before anybody waited must end the wait.
TEST_F(HostileMemifClient, IsReceivedFromThoughItsFrameCameWithoutAnEvent) {
    RawClient client{socket};
    ASSERT_EQ(client.offer(), "");
    ASSERT_TRUE(wait_until_up(server.ctx));
    const Bytes wanted = frame(7);
    std::memcpy(client.memory->bytes().data() + 8192, wanted.data(), wanted.size());
    client.to_server().write(0, {0, 0, 64, 8192, 0});
    client.to_server().head().store(1);
    server.ctx.drain();  // of the port's event
    server.ctx.arm();
    pollfd polled{server.ctx.fd(), POLLIN, 0};
    EXPECT_EQ(poll(&polled, 1, 0), 1);
    server.ctx.drain();
    server.expect(7, 1);
}

/// As VPP and libmemif have them: rings in one region, buffers in another. Not hostile at all.
TEST_F(HostileMemifClient, MayHaveItsBuffersInAnotherRegion) {
    memif::Offer offer = memif::make_offer({1, 1, 4, 2048});
    offer.regions.push_back(std::move(memif::make_offer({1, 1, 4, 2048}).regions[0]));
    RawClient client{socket};
    client.memory.emplace(offer.regions[0].memory.get(), offer.regions[0].bytes);
    const MappedFile buffers{offer.regions[1].memory.get(), offer.regions[1].bytes};
    for (const auto* rings : {&offer.to_server, &offer.to_client}) client.ring_of((*rings)[0]).set_cookie();
    ASSERT_EQ(client.offer(std::move(offer)), "");
    ASSERT_TRUE(wait_until_up(server.ctx));
    const Bytes wanted = frame(7);
    std::memcpy(buffers.bytes().data() + 100, wanted.data(), wanted.size());
    client.to_server().write(0, {0, 1, 64, 100, 0});
    client.to_server().head().store(1);
    server.expect(7, 1);
    client.to_client().write(0, {0, 1, 2048, 4096, 0});
    client.to_client().head().store(1);
    server.send(8, 1);
    EXPECT_EQ(client.to_client().tail().load(), 1);
    EXPECT_EQ(client.to_client().read(0).length, 64U);
    EXPECT_EQ(number_of(std::span{reinterpret_cast<const std::uint8_t*>(buffers.bytes().data()) + 4096, 64}), 8U);
}

/// Bad frames are counted, and good ones between them arrive.
TEST_F(HostileMemifClient, LosesItsBadFramesOnly) {
    RawClient client{socket};
    ASSERT_EQ(client.offer(), "");
    const auto bytes = static_cast<std::uint32_t>(client.memory->bytes().size());
    const std::uint32_t good = 64 * 1024;
    ASSERT_LT(good, bytes);
    const Bytes wanted = frame(7);
    std::memcpy(client.memory->bytes().data() + good - 2048, wanted.data(), wanted.size());
    const memif::Ring ring = client.to_server();
    constexpr auto next = memif::Descriptor::next;
    std::uint16_t at = 0;
    for (const memif::Descriptor& bad : {memif::Descriptor{0, 1, 64, 0, 0},
                                         {0, 65535, 64, 0, 0},
                                         {0, 0, 64, bytes - 63, 0},
                                         {0, 0, UINT32_MAX, 0, 0},
                                         {0, 0, 64, UINT32_MAX, 0},
                                         {0, 0, 0, 0, 0},
                                         {0, 0, 40000, 0, 0}})
        ring.write(at++, bad);
    ring.write(at++, {next, 0, 64, 0, 0});
    ring.write(at++, {0, 9, 64, 0, 0});
    ring.write(at++, {0, 0, 64, good - 2048, 0});
    ring.head().store(at);
    server.expect(7, 1);
    EXPECT_EQ(server.ctx.stats().drops.link, 8U);
    EXPECT_EQ(ring.tail().load(), at);
}

TEST_F(HostileMemifClient, CanNotHoldItWithAFrameWithoutEnd) {
    RawClient client{socket};
    ASSERT_EQ(client.offer(), "");
    const memif::Ring ring = client.to_server();
    for (std::uint16_t i = 0; i < 16; ++i) ring.write(i, {memif::Descriptor::next, 0, 64, 0, 0});
    ring.head().store(15);
    EXPECT_TRUE(server.ctx.recv(0ns).empty());
    EXPECT_EQ(ring.tail().load(), 0) << "its end may come yet";
    ring.head().store(16);
    while (ring.tail().load() != 16) EXPECT_TRUE(server.ctx.recv(0ns).empty());
    EXPECT_EQ(server.ctx.stats().drops.link, 1U);
}

TEST_F(HostileMemifClient, CanNotKeepOthersOutBySilence) {
    std::vector<std::unique_ptr<RawClient>> silent;
    for (int i = 0; i < 60; ++i) silent.push_back(std::make_unique<RawClient>(socket));
    End client{"memif:" + socket + "?reconnect=3600s"};
    EXPECT_EQ(client.ctx.port().state, IBV_PORT_ACTIVE);
    client.send(0, 10);
    server.expect(0, 10);
}

/// Any messages, of any length, with descriptors or without, while another client is connected.
TEST_F(HostileMemifClient, MaySayAnything) {
    End client{"memif:" + socket};
    const FileDescriptor event{eventfd(0, EFD_CLOEXEC)};
    std::mt19937 random{1};
    for (std::uint32_t round = 0; round < 500; ++round) {
        RawClient hostile{socket};
        for (auto count = random() % 6; count > 0; --count) {
            memif::Message message = memif::Message::of(static_cast<memif::MessageType>(random() % 10));
            for (std::uint8_t& byte : message.body.bytes)
                if (random() % 4 == 0) byte = static_cast<std::uint8_t>(random());
            if (random() % 4 == 0)
                send(hostile.channel->fd(), &message, random() % sizeof message, MSG_NOSIGNAL | MSG_DONTWAIT);
            else
                hostile.channel->send({message, random() % 2 == 0 ? event.get() : -1});
        }
        client.send(round, 1);
        ASSERT_NO_FATAL_FAILURE(server.expect(round, 1));
    }
}

/// Words of the shared memory get new values all the time: mostly the rings', and now and then plausible ones.
class Scribbler {
public:
    Scribbler(std::span<std::byte> memory, std::size_t ring_bytes, std::uint32_t seed)
        : thread_{[=, this] {
              std::mt19937 random{seed};
              while (!stop_) {
                  const bool in_rings = random() % 8 != 0;
                  const std::size_t at = random() % (in_rings ? ring_bytes : memory.size() - 2) / 2 * 2;
                  const auto drawn = static_cast<std::uint32_t>(random());
                  std::uint16_t value = static_cast<std::uint16_t>(drawn);
                  if (drawn % 4 != 0) value = static_cast<std::uint16_t>(value % 32);
                  std::atomic_ref{*reinterpret_cast<std::uint16_t*>(memory.data() + at)}.store(
                      value, std::memory_order_relaxed);
                  ++writes;
              }
          }} {}
    ~Scribbler() {
        stop_ = true;
        thread_.join();
    }
    std::atomic<std::uint64_t> writes{0};

private:
    std::atomic<bool> stop_{false};
    std::thread thread_;
};

constexpr int scribbled_rounds = 60;
constexpr std::uint64_t writes_per_round = 20'000;

/// Sends and receives, for as long as it takes to write so much.
void use(End& end, const Scribbler& scribbler) {
    const std::uint64_t last = scribbler.writes + writes_per_round;
    while (scribbler.writes < last) {
        SendList list = end.ctx.acquire(8);
        for (SendPkt& pkt : list) fill(pkt, 1, 3000);
        end.ctx.send(std::move(list));
        end.ctx.recv(0ns);
    }
}

TEST_F(HostileMemifClient, MayScribbleEverywhere) {
    for (std::uint32_t round = 0; round < scribbled_rounds; ++round) {
        RawClient client{socket};
        ASSERT_EQ(client.offer({2, 2, 4, 2048}), "") << round;
        // With posted buffers, so that much is written, too.
        memif::Ring ring = client.to_client();
        for (std::uint16_t i = 0; i < 16; ++i) ring.write(i, {0, 0, 2048, 8192 + i * 2048U, 0});
        ring.head().store(16);
        const Scribbler scribbler{client.memory->bytes(), 4096, round};
        use(server, scribbler);
        client.channel.reset();
        while (server.ctx.next_event()) {
        }
    }
    EXPECT_FALSE(server.ctx.queue(0).in_error());
}

TEST(HostileMemifServer, MayScribbleEverywhere) {
    const std::string socket = socket_name();
    RawServer server{socket};
    std::thread first_accept{[&] { server.accept(); }};
    End client{"memif:" + socket + "?reconnect=1ms&queues=2&ring=4"};
    first_accept.join();
    for (std::uint32_t round = 0; round < scribbled_rounds; ++round) {
        {
            const Scribbler scribbler{server.memory->bytes(), 4096, round};
            use(client, scribbler);
        }
        server.guest.reset();
        ASSERT_NO_FATAL_FAILURE(server.accept()) << round;
    }
    EXPECT_FALSE(client.ctx.queue(0).in_error());
}

// DPDK's server ends its process when a client has left before that.
TEST(MemifClient, LeavesNoServerBeforeItsHello) {
    const std::string socket = socket_name();
    std::optional<Context> client{fmt::format("memif:{}?reconnect=1ms", socket)};
    RawServer server{socket};
    pollfd polled{server.place.listener().fd(), POLLIN, 0};
    ASSERT_EQ(poll(&polled, 1, static_cast<int>(std::chrono::milliseconds{patience}.count())), 1);
    const auto left = std::async(std::launch::async, [&] { client.reset(); });
    EXPECT_EQ(left.wait_for(std::chrono::milliseconds{50}), std::future_status::timeout);
    server.guest = server.place.listener().accept();
    ASSERT_TRUE(server.guest);
    const auto received = receive_blocking(server.guest->channel);
    ASSERT_EQ(received.size, sizeof(memif::Message));
    memif::Message message;
    std::memcpy(&message, received.bytes.data(), sizeof message);
    EXPECT_EQ(message.type, memif::MessageType::disconnect);
}

TEST(HostileMemifServer, IsDisconnectedForAnIndexOutOfItsRing) {
    const std::string socket = socket_name();
    RawServer server{socket};
    std::thread accept{[&] { server.accept(); }};
    End client{"memif:" + socket + "?reconnect=1ms&ring=4"};
    accept.join();
    ASSERT_TRUE(wait_until_up(client.ctx));
    const memif::Ring ring{server.memory->bytes().data() + server.offer.to_client[0].offset, 4};
    ring.tail().store(17);
    client.ctx.recv(0ns);
    EXPECT_TRUE(wait_until_down(client.ctx));
}

}  // namespace
}  // namespace pktverbs::testing
