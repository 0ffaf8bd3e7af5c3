// SPDX-License-Identifier: Apache-2.0
// Message: what two memif peers say to each other on their control socket.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace pktverbs::soft::memif {

/// memif 2.0; the high byte is the major version.
inline constexpr std::uint16_t protocol_version = 0x0200;

enum class MessageType : std::uint16_t {
    ack = 1,
    hello = 2,
    init = 3,
    add_region = 4,
    add_ring = 5,
    connect = 6,
    connected = 7,
    disconnect = 8,
};

/// What a frame in a ring begins with.
enum class Mode : std::uint8_t { ethernet = 0, ip = 1 };

template <std::size_t size>
using Text = std::array<char, size>;

/// In the peers' byte order: both are on one machine. The numbers of HELLO are the highest indexes, not counts.
struct [[gnu::packed]] Hello {
    Text<32> name;
    std::uint16_t min_version;
    std::uint16_t max_version;
    std::uint16_t max_region;
    std::uint16_t max_to_client_ring;
    std::uint16_t max_to_server_ring;
    std::uint8_t max_log2_slots;
};

struct [[gnu::packed]] Init {
    std::uint16_t version;
    std::uint32_t id;
    std::uint8_t mode;
    Text<24> secret;
    Text<32> name;
};

struct [[gnu::packed]] AddRegion {
    std::uint16_t index;
    std::uint64_t bytes;
};

struct [[gnu::packed]] AddRing {
    static constexpr std::uint16_t to_server = 1;  ///< a flag

    std::uint16_t flags;
    std::uint16_t index;
    std::uint16_t region;
    std::uint32_t offset;
    std::uint8_t log2_slots;
    std::uint16_t private_header_bytes;
};

/// Of CONNECT and CONNECTED.
struct [[gnu::packed]] Named {
    Text<32> interface_name;
};

struct [[gnu::packed]] Disconnect {
    std::uint32_t code;
    Text<96> reason;
};

struct [[gnu::packed]] Message {
    MessageType type;
    union [[gnu::packed]] Body {
        std::array<std::uint8_t, 126> bytes;
        Hello hello;
        Init init;
        AddRegion add_region;
        AddRing add_ring;
        Named named;
        Disconnect disconnect;
    } body;

    /// All of it zero but the type, so that no byte of this process leaks.
    static Message of(MessageType type) noexcept {
        Message message;
        std::memset(&message, 0, sizeof message);
        message.type = type;
        return message;
    }
};

static_assert(sizeof(Message) == 128);
static_assert(offsetof(Message, body) == 2);
static_assert(offsetof(Hello, min_version) == 34 - 2 && offsetof(Hello, max_region) == 38 - 2 &&
              offsetof(Hello, max_log2_slots) == 44 - 2);
static_assert(offsetof(Init, id) == 4 - 2 && offsetof(Init, mode) == 8 - 2 && offsetof(Init, secret) == 9 - 2 &&
              offsetof(Init, name) == 33 - 2);
static_assert(offsetof(AddRegion, bytes) == 4 - 2);
static_assert(offsetof(AddRing, index) == 4 - 2 && offsetof(AddRing, region) == 6 - 2 &&
              offsetof(AddRing, offset) == 8 - 2 && offsetof(AddRing, log2_slots) == 12 - 2 &&
              offsetof(AddRing, private_header_bytes) == 13 - 2);
static_assert(offsetof(Disconnect, reason) == 6 - 2);

/// Of what fits, with a zero behind it.
template <std::size_t size>
Text<size> to_text(std::string_view text) noexcept {
    Text<size> field{};
    std::copy_n(text.begin(), std::min(text.size(), size - 1), field.begin());
    return field;
}

/// Of a peer's field, which may have no zero at its end; what is not printable becomes a question mark.
template <std::size_t size>
std::string from_text(const Text<size>& field) {
    std::string text(field.begin(), std::find(field.begin(), field.end(), '\0'));
    std::replace_if(
        text.begin(), text.end(), [](char c) { return c < ' ' || c > '~'; }, '?');
    return text;
}

}  // namespace pktverbs::soft::memif
