// SPDX-License-Identifier: Apache-2.0
// ServerHandshake, ClientHandshake: how two peers agree on a connection, as states and messages without a socket.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/file_descriptor.hpp"
#include "soft/link/memif/message.hpp"
#include "soft/link/memif/offer.hpp"

namespace pktverbs::soft::memif {

/// A message to send, and a descriptor with it, or -1. The descriptor stays its owner's.
struct Reply {
    Message message;
    int fd = -1;
};

/// What a message led to.
struct Step {
    enum class Progress {
        going_on,
        agreed,   ///< server: on an interface and its secret; client: on numbers, and offer() is next
        ready,    ///< server: the offer is complete; client: connected
        refused,  ///< by the peer, or by this side if there is a reply; the socket is closed after that
    };

    Progress progress = Progress::going_on;
    std::optional<Reply> reply = {};
    std::string reason = {};
    std::uint32_t code = 0;  ///< that came with the peer's reason
};

/// DISCONNECT with a reason, of which the message holds 95 characters.
Message disconnect_message(std::string_view reason, std::uint32_t code = 0) noexcept;

/// What any of a server's interfaces takes, for HELLO. Counts.
struct HelloLimits {
    std::uint16_t rings = 1;
    std::uint8_t log2_slots = 14;
};

/// An interface of a server.
struct Terms {
    std::uint32_t id = 0;
    Mode mode = Mode::ethernet;
    std::string secret = {};  ///< empty: none is asked for
    std::uint16_t max_rings = 1;
    std::string name = {};
};

class ServerHandshake {
public:
    static constexpr std::uint16_t max_regions = 256;

    /// Finds an interface by its id; nullopt if there is none.
    using Find = std::function<std::optional<Terms>(std::uint32_t id)>;

    ServerHandshake(const HelloLimits& limits, Find find) : limits_{limits}, find_{std::move(find)} {}

    Message hello() const noexcept;
    /// A message of the client, with the descriptor that came with it. Throws std::bad_alloc.
    Step receive(std::span<const std::byte> bytes, FileDescriptor fd);
    /// The answer to a complete offer that could be used.
    Message connected() const noexcept;

    /// Once agreed.
    const Terms& terms() const noexcept { return terms_; }
    /// The client's own words about itself, and about its interface once ready.
    const std::string& peer() const noexcept { return peer_; }
    const std::string& peer_interface() const noexcept { return peer_interface_; }
    /// Once ready.
    Offer take_offer() noexcept { return std::move(offer_); }

private:
    enum class State { init, offer, done };

    Step init(const Init& init);
    Step add_region(const AddRegion& region, FileDescriptor fd);
    Step add_ring(const AddRing& ring, FileDescriptor fd);
    Step connect(const Named& named);

    HelloLimits limits_;
    Find find_;
    State state_ = State::init;
    Terms terms_;
    std::string peer_;
    std::string peer_interface_;
    Offer offer_;
    std::uint64_t offered_bytes_ = 0;
};

/// What a client asks for.
struct ClientTerms {
    std::uint32_t id = 0;
    Mode mode = Mode::ethernet;
    std::string secret = {};
    std::uint16_t rings = 1;  ///< in each direction; fewer if the server takes no more
    std::uint8_t log2_slots = 10;
    std::string name = {};
};

class ClientHandshake {
public:
    explicit ClientHandshake(ClientTerms terms) : terms_{std::move(terms)} {}

    /// A message of the server. Throws std::bad_alloc.
    Step receive(std::span<const std::byte> bytes);

    /// The server has not said anything yet.
    bool awaits_hello() const noexcept { return state_ == State::hello; }
    /// Once agreed.
    std::uint16_t rings_to_server() const noexcept { return to_server_; }
    std::uint16_t rings_to_client() const noexcept { return to_client_; }
    std::uint8_t log2_slots() const noexcept { return terms_.log2_slots; }
    /// Of as many rings as were agreed on; its descriptors must stay until the end of the handshake.
    Step offer(const Offer& offer);

    /// The server's own words, as ServerHandshake has them.
    const std::string& peer() const noexcept { return peer_; }
    const std::string& peer_interface() const noexcept { return peer_interface_; }

private:
    enum class State { hello, agreed, offer, done };

    Step hello(const Hello& hello);
    Step next() noexcept;

    ClientTerms terms_;
    State state_ = State::hello;
    std::uint16_t to_server_ = 0;
    std::uint16_t to_client_ = 0;
    std::string peer_;
    std::string peer_interface_;
    std::vector<Reply> messages_;  ///< each is sent when the one before it was acknowledged
    std::size_t sent_ = 0;
};

}  // namespace pktverbs::soft::memif
