// SPDX-License-Identifier: Apache-2.0
#include <pktverbs/send_list.hpp>

#include <cassert>

#include <pktverbs/queue.hpp>

namespace pktverbs {

SendList SendList::pop_front() noexcept {
    SendList first;
    if (!head_) return first;
    first.queue_ = queue_;
    first.head_ = first.tail_ = head_;
    first.size_ = 1;
    head_ = head_->next();
    if (!head_) tail_ = nullptr;
    --size_;
    first.head_->set_next(nullptr);
    return first;
}

void SendList::append(SendList&& other) noexcept {
    if (other.empty()) return;
    if (empty()) {
        swap(other);
        return;
    }
    assert(queue_ == other.queue_ && "lists of different queues can't be joined");
    tail_->set_next(other.head_);
    tail_ = other.tail_;
    size_ += other.size_;
    other.head_ = other.tail_ = nullptr;
    other.size_ = 0;
}

void SendList::cancel() noexcept {
    if (!head_) return;
    SendPkt* const first = std::exchange(head_, nullptr);
    queue_->put_free(first, std::exchange(tail_, nullptr), std::exchange(size_, 0));
}

}  // namespace pktverbs
