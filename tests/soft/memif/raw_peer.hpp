// SPDX-License-Identifier: Apache-2.0
// RawClient, RawServer: ends of a memif socket that can write what they like to the shared memory.
#pragma once

#include <poll.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include <optional>
#include <span>
#include <string>
#include <utility>

#include "ends.hpp"
#include "soft/link/memif/channel.hpp"
#include "soft/link/memif/handshake.hpp"
#include "soft/link/memif/listener.hpp"
#include "soft/link/memif/regions.hpp"
#include "soft/link/memif/ring.hpp"
#include "soft/link/memif/socket_name.hpp"

namespace pktverbs::testing {

namespace memif = soft::memif;

/// Shared memory, mapped for as long as this lives.
class MappedFile {
public:
    MappedFile(int fd, std::size_t bytes)
        : bytes_{static_cast<std::byte*>(mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0)), bytes} {}
    MappedFile(MappedFile&& other) noexcept : bytes_{std::exchange(other.bytes_, {})} {}
    MappedFile& operator=(MappedFile&&) = delete;
    ~MappedFile() {
        if (!bytes_.empty()) munmap(bytes_.data(), bytes_.size());
    }
    std::span<std::byte> bytes() const { return bytes_; }

private:
    std::span<std::byte> bytes_;
};

inline memif::Channel::Received receive_blocking(memif::Channel& channel) {
    pollfd polled{channel.fd(), POLLIN, 0};
    if (poll(&polled, 1, static_cast<int>(std::chrono::milliseconds{patience}.count())) != 1)
        ADD_FAILURE() << "silence";
    return channel.receive();
}

class RawClient {
public:
    explicit RawClient(const std::string& socket) {
        FileDescriptor fd{::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0)};
        const auto [address, bytes] = memif::SocketName{socket}.address();
        EXPECT_EQ(connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), bytes), 0);
        channel.emplace(std::move(fd));
    }

    /// Runs the handshake with an offer; returns the server's last word: nothing if it is connected.
    std::string offer(memif::Offer made, const memif::ClientTerms& terms = {}) {
        own = std::move(made);
        memif::ClientHandshake handshake{terms};
        for (;;) {
            const auto received = receive_blocking(*channel);
            if (received.what != memif::Channel::Received::What::message) return "closed";
            memif::Step step = handshake.receive(received.message());
            if (step.progress == memif::Step::Progress::agreed) step = handshake.offer(own);
            if (step.progress == memif::Step::Progress::ready) return {};
            if (step.progress == memif::Step::Progress::refused) return step.reason;
            EXPECT_TRUE(step.reply && channel->send(*step.reply));
        }
    }
    /// The same with an offer as it should be, and cookies in its rings.
    std::string offer(const memif::OfferShape& shape = {1, 1, 4, 2048}) {
        memif::Offer made = memif::make_offer(shape);
        memory.emplace(made.regions[0].memory.get(), made.regions[0].bytes);
        for (const auto* rings : {&made.to_server, &made.to_client})
            for (const auto& ring : *rings) ring_of(ring).set_cookie();
        return offer(std::move(made), {.rings = shape.to_server, .log2_slots = shape.log2_slots});
    }
    memif::Ring ring_of(const memif::OfferedRing& ring) const {
        return {memory->bytes().data() + ring.offset, ring.log2_slots};
    }
    memif::Ring to_server() const { return ring_of(own.to_server[0]); }
    memif::Ring to_client() const { return ring_of(own.to_client[0]); }
    /// The next message is DISCONNECT; returns its reason.
    std::string last_word() {
        const auto received = receive_blocking(*channel);
        memif::Message message;
        if (received.size != sizeof message) return "closed";
        std::memcpy(&message, received.bytes.data(), sizeof message);
        return message.type == memif::MessageType::disconnect
                   ? memif::from_text(memif::Text<96>{message.body.disconnect.reason})
                   : "another message";
    }

    std::optional<memif::Channel> channel;
    memif::Offer own;
    std::optional<MappedFile> memory;
};

class RawServer {
public:
    explicit RawServer(const std::string& socket)
        : place{memif::Listener::at(memif::SocketName{socket}), memif::Terms{.max_rings = 8}} {}

    /// Runs the handshake with the next client.
    void accept() {
        do {
            pollfd polled{place.listener().fd(), POLLIN, 0};
            ASSERT_EQ(poll(&polled, 1, static_cast<int>(std::chrono::milliseconds{patience}.count())), 1);
            guest = place.listener().accept();
        } while (!guest);
        for (;;) {
            auto received = receive_blocking(guest->channel);
            ASSERT_EQ(received.what, memif::Channel::Received::What::message);
            memif::Step step = guest->handshake.receive(received.message(), std::move(received.fd));
            if (step.progress == memif::Step::Progress::ready) break;
            ASSERT_TRUE(step.reply && guest->channel.send(*step.reply)) << step.reason;
        }
        offer = guest->handshake.take_offer();
        memory.emplace(offer.regions[0].memory.get(), offer.regions[0].bytes);
        guest->channel.send({guest->handshake.connected()});
    }

    memif::Listener::Place place;
    std::unique_ptr<memif::Guest> guest;
    memif::Offer offer;
    std::optional<MappedFile> memory;
};

}  // namespace pktverbs::testing
