// SPDX-License-Identifier: Apache-2.0
// SendRing: the posted sends of a queue pair, in the order in which they complete.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "messages/pool.hpp"

namespace pktverbs::messages {

/// A reliable queue pair completes its sends in the order in which they were posted, so each is known by its number.
class SendRing {
public:
    /// Has room for so many messages and one probe.
    explicit SendRing(std::size_t messages) : slots_(messages + 1) {}

    std::size_t messages() const noexcept { return messages_; }
    bool has_room() const noexcept { return messages_ + 1 < slots_.size(); }
    bool has_probe() const noexcept { return has_probe_; }
    bool empty() const noexcept { return first_ == next_; }
    /// The numbers of the send that is added next and of the one that completes next.
    std::uint64_t next() const noexcept { return next_; }
    std::uint64_t first() const noexcept { return first_; }

    void add(Buffer& buffer) noexcept {
        slots_[next_++ % slots_.size()] = &buffer;
        ++messages_;
    }
    void add_probe() noexcept {
        slots_[next_++ % slots_.size()] = nullptr;
        has_probe_ = true;
    }
    /// Removes the first send and returns its buffer; null for the probe.
    Buffer* take() noexcept {
        Buffer* const buffer = slots_[first_++ % slots_.size()];
        if (buffer)
            --messages_;
        else
            has_probe_ = false;
        return buffer;
    }

private:
    std::vector<Buffer*> slots_;
    std::uint64_t first_ = 0;
    std::uint64_t next_ = 0;
    std::size_t messages_ = 0;
    bool has_probe_ = false;
};

}  // namespace pktverbs::messages
