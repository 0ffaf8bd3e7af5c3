// SPDX-License-Identifier: Apache-2.0
#include "messages/pool.hpp"

#include "messages/connection.hpp"
#include "messages/messenger_device.hpp"

namespace pktverbs::messages {

Pool* Pool::create(Connection& owner, MessengerDevice& device, const Options& options) {
    return new Pool{owner, device, options};
}

Pool::Pool(Connection& owner, MessengerDevice& device, const Options& options)
    : owner_{&owner},
      device_{&device},
      capacity_{options.message_bytes},
      memory_{(std::size_t{options.sends} + options.receives) * Memory::stride(options.message_bytes)},
      buffers_(std::size_t{options.sends} + options.receives) {
    region_.emplace(device.pd(), std::span{memory_.data(), memory_.size()});
    const std::size_t stride = Memory::stride(options.message_bytes);
    for (std::size_t i = buffers_.size(); i-- > 0;) {
        Buffer& buffer = buffers_[i];
        buffer.pool = this;
        buffer.data = memory_.data() + i * stride;
        buffer.index = static_cast<std::uint32_t>(i);
        buffer.home = i < options.sends ? Buffer::Home::sends : Buffer::Home::receives;
        if (buffer.home == Buffer::Home::sends) buffer.next = std::exchange(free_, &buffer);
    }
    device.add(*this);
}

Pool::~Pool() {
    if (device_) device_->remove(*this);
}

Buffer* Pool::take() noexcept {
    if (!free_) return nullptr;
    Buffer* const buffer = std::exchange(free_, free_->next);
    buffer->next = nullptr;
    buffer->length = 0;
    ++in_use_;
    return buffer;
}

void Pool::take(Buffer& buffer) noexcept {
    buffer.length = 0;
    ++in_use_;
}

void Pool::give_back(Buffer& buffer) noexcept {
    Connection* const owner = owner_;
    put_away(buffer);
    if (owner) owner->released(buffer);
}

void Pool::put_away(Buffer& buffer) noexcept {
    if (buffer.home == Buffer::Home::sends) buffer.next = std::exchange(free_, &buffer);
    --in_use_;
    if (!owner_ && in_use_ == 0) delete this;
}

void Pool::abandon() noexcept {
    owner_ = nullptr;
    for (std::size_t i = 0; i < size(); ++i)
        if (std::exchange(buffer(i).is_posted, false)) --in_use_;
    if (in_use_ == 0) delete this;
}

void Pool::deregister() noexcept {
    region_.reset();
    device_ = nullptr;
}

}  // namespace pktverbs::messages
