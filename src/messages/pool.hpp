// SPDX-License-Identifier: Apache-2.0
// Pool: the registered buffers of one socket.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include <pktverbs/memory/memory.hpp>
#include <pktverbs/messages/options.hpp>
#include <pktverbs/verbs/memory_region.hpp>

namespace pktverbs::messages {

class Connection;
class MessengerDevice;
class Pool;

/// Stays where it is as long as its pool lives.
struct Buffer {
    enum class Home : std::uint8_t { sends, receives };

    Pool* pool = nullptr;
    Buffer* next = nullptr;  ///< in the pool's free list or a connection's inbox
    std::uint8_t* data = nullptr;
    std::uint32_t index = 0;
    std::uint32_t length = 0;
    Home home = Home::sends;
    bool is_posted = false;  ///< for receiving
};

/// Lives until its owner and its last message have ended. Its registration ends with the device's messenger at the
/// latest.
class Pool {
public:
    /// Throws std::system_error.
    static Pool* create(Connection& owner, MessengerDevice& device, const Options& options);
    Pool(const Pool&) = delete;
    Pool& operator=(const Pool&) = delete;

    Buffer& buffer(std::size_t index) noexcept { return buffers_[index]; }
    std::size_t size() const noexcept { return buffers_.size(); }
    std::uint32_t capacity() const noexcept { return capacity_; }
    std::uint32_t lkey() const noexcept { return region_->raw()->lkey; }
    const MessengerDevice* device() const noexcept { return device_; }

    /// Returns a buffer for a message to send; null if all are in use.
    Buffer* take() noexcept;
    bool has_free() const noexcept { return free_ != nullptr; }
    /// Counts a receive buffer as in use, before it is posted.
    void take(Buffer& buffer) noexcept;
    /// As put_away(), and calls the owner's released().
    void give_back(Buffer& buffer) noexcept;
    /// The buffer is idle again. May destroy the pool.
    void put_away(Buffer& buffer) noexcept;
    /// The owner has ended, and its posted buffers are idle again. May destroy the pool.
    void abandon() noexcept;
    /// The device's messenger has ended.
    void deregister() noexcept;

private:
    Pool(Connection& owner, MessengerDevice& device, const Options& options);
    ~Pool();

    Connection* owner_;
    MessengerDevice* device_;
    std::uint32_t capacity_;
    Memory memory_;
    std::optional<verbs::MemoryRegion> region_;
    std::vector<Buffer> buffers_;
    Buffer* free_ = nullptr;
    std::size_t in_use_ = 0;
};

}  // namespace pktverbs::messages
