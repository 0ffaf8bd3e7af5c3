// SPDX-License-Identifier: Apache-2.0
// Inbox: received buffers that were not taken yet, in order.
#pragma once

#include <utility>

#include "messages/pool.hpp"

namespace pktverbs::messages {

/// Returns the remaining buffers to their pool when it ends.
class Inbox {
public:
    Inbox() noexcept = default;
    Inbox(const Inbox&) = delete;
    Inbox& operator=(const Inbox&) = delete;
    ~Inbox() {
        while (Buffer* buffer = take()) buffer->pool->give_back(*buffer);
    }

    void add(Buffer& buffer) noexcept {
        buffer.next = nullptr;
        (first_ ? last_->next : first_) = &buffer;
        last_ = &buffer;
    }
    /// Null if there is none.
    Buffer* take() noexcept {
        if (!first_) return nullptr;
        Buffer* const buffer = std::exchange(first_, first_->next);
        buffer->next = nullptr;
        return buffer;
    }

private:
    Buffer* first_ = nullptr;
    Buffer* last_ = nullptr;
};

}  // namespace pktverbs::messages
