// SPDX-License-Identifier: Apache-2.0
// SendList: an owned chain of packets to fill and send.
#pragma once

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <ranges>
#include <utility>

#include <pktverbs/export.hpp>
#include <pktverbs/send_pkt.hpp>

namespace pktverbs {

class Queue;

/// A forward range of SendPkt&. Move-only owner: packets that are not sent go back to the
/// queue's free packets when it ends. Belongs to the thread that sends on its queue.
class PKTVERBS_EXPORT SendList {
public:
    class iterator {
    public:
        using iterator_concept = std::forward_iterator_tag;
        using iterator_category = std::forward_iterator_tag;
        using value_type = SendPkt;
        using difference_type = std::ptrdiff_t;
        using reference = SendPkt&;
        using pointer = SendPkt*;

        iterator() noexcept = default;
        reference operator*() const noexcept { return *pkt_; }
        pointer operator->() const noexcept { return pkt_; }
        iterator& operator++() noexcept { return *this = iterator{next_}; }
        iterator operator++(int) noexcept { return std::exchange(*this, iterator{next_}); }
        friend bool operator==(const iterator& a, const iterator& b) noexcept { return a.pkt_ == b.pkt_; }

    private:
        friend class SendList;
        // `next` is read on arrival, before the loop's body can relink the packet.
        explicit iterator(SendPkt* pkt) noexcept : pkt_{pkt}, next_{pkt ? pkt->next() : nullptr} {}
        SendPkt* pkt_ = nullptr;
        SendPkt* next_ = nullptr;
    };

    SendList() noexcept = default;
    SendList(SendList&& other) noexcept { swap(other); }
    SendList& operator=(SendList&& other) noexcept {
        SendList{std::move(other)}.swap(*this);
        return *this;
    }
    SendList(const SendList&) = delete;
    SendList& operator=(const SendList&) = delete;
    ~SendList() {
        if (head_) cancel();
    }

    iterator begin() const noexcept { return iterator{head_}; }
    iterator end() const noexcept { return {}; }
    bool empty() const noexcept { return !head_; }
    std::size_t size() const noexcept { return size_; }
    SendPkt& front() const noexcept { return *head_; }

    /// On a list that send() handed back: the errno for which its first packet was not posted; else 0.
    int error() const noexcept { return error_; }

    /// Takes the first packet out, as a list of its own. Empty from an empty list.
    SendList pop_front() noexcept;
    /// Puts the packets of `other` behind its own; both must come from the same queue, or one be empty.
    void append(SendList&& other) noexcept;
    /// Gives the packets back to the queue's free packets, unsent, and is empty.
    void cancel() noexcept;

    void swap(SendList& other) noexcept {
        std::swap(queue_, other.queue_);
        std::swap(head_, other.head_);
        std::swap(tail_, other.tail_);
        std::swap(size_, other.size_);
        std::swap(error_, other.error_);
    }

private:
    friend class Context;
    friend class Queue;

    Queue* queue_ = nullptr;
    SendPkt* head_ = nullptr;
    SendPkt* tail_ = nullptr;
    std::uint32_t size_ = 0;
    int error_ = 0;
};

static_assert(std::ranges::forward_range<SendList>);

}  // namespace pktverbs
