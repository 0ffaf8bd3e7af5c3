// SPDX-License-Identifier: Apache-2.0
// Channel: a memif control socket.
#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <span>

#include "base/file_descriptor.hpp"
#include "soft/link/memif/handshake.hpp"
#include "soft/link/memif/message.hpp"

namespace pktverbs::soft::memif {

/// Never blocks.
class Channel {
public:
    explicit Channel(FileDescriptor socket) noexcept : socket_{std::move(socket)} {}

    int fd() const noexcept { return socket_.get(); }

    struct Received {
        enum class What { nothing, message, closed };
        What what = What::nothing;
        /// Of a message; longer ones are cut off, and then one byte longer than a message.
        std::array<std::byte, sizeof(Message) + 1> bytes{};
        std::size_t size = 0;
        FileDescriptor fd = {};

        std::span<const std::byte> message() const noexcept { return std::span{bytes}.first(size); }
    };
    Received receive() noexcept;
    /// False if the peer does not take it.
    bool send(const Reply& reply) noexcept;

private:
    FileDescriptor socket_;
};

}  // namespace pktverbs::soft::memif
