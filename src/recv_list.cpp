// SPDX-License-Identifier: Apache-2.0
#include <pktverbs/recv_list.hpp>

#include <cassert>

#include <pktverbs/queue.hpp>

namespace pktverbs {

std::string_view to_string(Outcome outcome) noexcept {
    switch (outcome) {
        case Outcome::packets:
            return "packets";
        case Outcome::timeout:
            return "timeout";
        case Outcome::stopped:
            return "stopped";
        case Outcome::queue_error:
            return "queue error";
        case Outcome::device_error:
            return "device error";
    }
    return "unknown";
}

RecvList RecvList::pop_front() noexcept {
    RecvList first;
    if (!head_) return first;
    first.queue_ = queue_;
    first.outcome_ = outcome_;
    RecvPkt& pkt = *head_;
    head_ = pkt.next();
    if (!head_) tail_ = nullptr;
    --size_;
    first.push_back(pkt);
    pkt.set_next(nullptr);
    return first;
}

void RecvList::append(RecvList&& other) noexcept {
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

std::size_t RecvList::release() noexcept {
    if (!head_) return 0;
    RecvPkt* const first = std::exchange(head_, nullptr);
    return queue_->give_back(first, std::exchange(tail_, nullptr), std::exchange(size_, 0));
}

}  // namespace pktverbs
