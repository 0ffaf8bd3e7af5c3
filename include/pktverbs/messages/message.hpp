// SPDX-License-Identifier: Apache-2.0
// Message: a buffer in registered memory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>

#include <pktverbs/export.hpp>

namespace pktverbs::messages {

struct Buffer;

/// Holds a message that was received, or one to fill and send.
///
/// Move-only. When it ends, its buffer returns to its socket; that of a received message makes room for the next one.
/// It may outlive its socket and its messenger. It must be used, and end, in the executor's thread.
class PKTVERBS_EXPORT Message {
public:
    /// No message.
    Message() noexcept = default;
    Message(Message&& other) noexcept
        : buffer_{std::exchange(other.buffer_, nullptr)},
          data_{other.data_},
          size_{std::exchange(other.size_, 0)},
          capacity_{std::exchange(other.capacity_, 0)} {}
    Message& operator=(Message&& other) noexcept {
        Message taken{std::move(other)};  // so that the previous message ends here
        std::swap(buffer_, taken.buffer_);
        std::swap(data_, taken.data_);
        std::swap(size_, taken.size_);
        std::swap(capacity_, taken.capacity_);
        return *this;
    }
    ~Message() {
        if (buffer_) release();
    }

    /// Whether there is a message.
    explicit operator bool() const noexcept { return buffer_ != nullptr; }
    /// Returns its bytes.
    std::span<std::uint8_t> bytes() const noexcept { return {data_, size_}; }
    /// Returns its length.
    std::size_t size() const noexcept { return size_; }
    /// Returns the longest length that it can have.
    std::size_t capacity() const noexcept { return capacity_; }
    /// Sets its length. Bytes that are added keep their old content. Throws std::length_error above capacity().
    void resize(std::size_t bytes);

private:
    friend class Connection;
    explicit Message(Buffer& buffer) noexcept;
    void release() noexcept;

    Buffer* buffer_ = nullptr;
    std::uint8_t* data_ = nullptr;
    std::uint32_t size_ = 0;
    std::uint32_t capacity_ = 0;
};

}  // namespace pktverbs::messages
