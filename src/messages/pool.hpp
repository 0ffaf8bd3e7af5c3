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

/// Lives until its owner and its last message have gone; the registration ends with the device's messenger at the
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

    /// A buffer for a message to send; null if all are in use.
    Buffer* take() noexcept;
    bool has_free() const noexcept { return free_ != nullptr; }
    /// A buffer for receiving is about to be posted.
    void take(Buffer& buffer) noexcept;
    /// It is idle; the owner hears of it.
    void give_back(Buffer& buffer) noexcept;
    /// It is idle; the owner knows. The pool may end with it.
    void put_away(Buffer& buffer) noexcept;
    /// The owner has ended, and what it had posted comes back. The pool may end.
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
