// SPDX-License-Identifier: Apache-2.0
#include <pktverbs/messages/message.hpp>

#include <stdexcept>

#include "messages/pool.hpp"

namespace pktverbs::messages {

Message::Message(Buffer& buffer) noexcept
    : buffer_{&buffer}, data_{buffer.data}, size_{buffer.length}, capacity_{buffer.pool->capacity()} {}

void Message::resize(std::size_t bytes) {
    if (bytes > capacity_) throw std::length_error{"a message longer than its buffer"};
    size_ = static_cast<std::uint32_t>(bytes);
}

void Message::release() noexcept {
    Buffer* const buffer = std::exchange(buffer_, nullptr);
    buffer->pool->give_back(*buffer);
}

}  // namespace pktverbs::messages
