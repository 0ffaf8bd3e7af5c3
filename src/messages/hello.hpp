// SPDX-License-Identifier: Apache-2.0
// Hello: the limits that two sockets of this library announce to each other when they connect.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "base/big_endian.hpp"

namespace pktverbs::messages {

/// The private data of a request and of an answer. Other programs ignore it and need not send it.
struct Hello {
    static constexpr std::uint32_t magic = 0x706b746d;  // "pktm"
    static constexpr std::uint32_t version = 1;
    static constexpr std::size_t wire_bytes = 16;

    std::uint32_t message_bytes = 0;
    std::uint32_t receives = 0;

    std::array<std::uint8_t, wire_bytes> to_bytes() const noexcept {
        std::array<std::uint8_t, wire_bytes> bytes{};
        BigEndianWriter{bytes}.put(magic).put(version).put(message_bytes).put(receives);
        return bytes;
    }
    /// More bytes may follow: the connection manager pads, and later versions only append.
    static std::optional<Hello> from_bytes(std::span<const std::uint8_t> bytes) noexcept {
        if (bytes.size() < wire_bytes) return std::nullopt;
        BigEndianReader reader{bytes};
        if (reader.get<std::uint32_t>() != magic || reader.get<std::uint32_t>() < version) return std::nullopt;
        Hello hello;
        hello.message_bytes = reader.get<std::uint32_t>();
        hello.receives = reader.get<std::uint32_t>();
        return hello;
    }
};

}  // namespace pktverbs::messages
