// SPDX-License-Identifier: Apache-2.0
// RecvList: an owned chain of received packets that goes back to its queue by itself.
#pragma once

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <ranges>
#include <string_view>
#include <utility>

#include <pktverbs/export.hpp>
#include <pktverbs/recv_pkt.hpp>

namespace pktverbs {

class Queue;

/// Why a call that waits came back.
enum class Outcome : std::uint8_t {
    packets,       ///< there is something in the list
    timeout,       ///< the deadline passed; also what a call that may not wait gives for "nothing yet"
    stopped,       ///< the stop token asked for it
    queue_error,   ///< the queue is in error and gives nothing until Queue::recover()
    device_error,  ///< the device refused to poll, arm or wait; Queue::error() has the errno
};

/// "packets", "timeout", ...
PKTVERBS_EXPORT std::string_view to_string(Outcome outcome) noexcept;

/// A forward range of RecvPkt&. Move-only owner: when it ends, its packets are posted to the
/// queue again, so nothing is lost by forgetting. May be moved to, and end in, any
/// thread. Lists may outlive their Context; their packets' bytes stay readable until then.
class PKTVERBS_EXPORT RecvList {
public:
    class iterator {
    public:
        using iterator_concept = std::forward_iterator_tag;
        using iterator_category = std::forward_iterator_tag;
        using value_type = RecvPkt;
        using difference_type = std::ptrdiff_t;
        using reference = RecvPkt&;
        using pointer = RecvPkt*;

        iterator() noexcept = default;
        reference operator*() const noexcept { return *pkt_; }
        pointer operator->() const noexcept { return pkt_; }
        iterator& operator++() noexcept { return *this = iterator{next_}; }
        iterator operator++(int) noexcept { return std::exchange(*this, iterator{next_}); }
        friend bool operator==(const iterator& a, const iterator& b) noexcept { return a.pkt_ == b.pkt_; }

    private:
        friend class RecvList;
        // `next` is read on arrival, before the loop's body can relink the packet.
        explicit iterator(RecvPkt* pkt) noexcept : pkt_{pkt}, next_{pkt ? pkt->next() : nullptr} {}
        RecvPkt* pkt_ = nullptr;
        RecvPkt* next_ = nullptr;
    };

    RecvList() noexcept = default;
    RecvList(RecvList&& other) noexcept { swap(other); }
    RecvList& operator=(RecvList&& other) noexcept {
        RecvList{std::move(other)}.swap(*this);
        return *this;
    }
    RecvList(const RecvList&) = delete;
    RecvList& operator=(const RecvList&) = delete;
    ~RecvList() {
        if (head_) release();
    }

    iterator begin() const noexcept { return iterator{head_}; }
    iterator end() const noexcept { return {}; }
    bool empty() const noexcept { return !head_; }
    std::size_t size() const noexcept { return size_; }
    RecvPkt& front() const noexcept { return *head_; }

    /// Why the list is as it is: packets, or the reason for none.
    Outcome outcome() const noexcept { return outcome_; }

    /// Takes the first packet out, as a list of its own: to keep it longer than the rest. Empty from an empty list.
    RecvList pop_front() noexcept;
    /// Puts the packets of `other` behind its own; both must come from the same queue, or one be empty.
    void append(RecvList&& other) noexcept;

    /// Gives the packets back to the NIC now, with one doorbell, and is empty. Returns how many
    /// were posted; those that the device refused wait in the queue and are posted with the next release.
    std::size_t release() noexcept;

    void swap(RecvList& other) noexcept {
        std::swap(queue_, other.queue_);
        std::swap(head_, other.head_);
        std::swap(tail_, other.tail_);
        std::swap(size_, other.size_);
        std::swap(outcome_, other.outcome_);
    }

private:
    friend class Queue;
    friend class Context;
    friend class Core;
    explicit RecvList(Outcome outcome) noexcept : outcome_{outcome} {}
    // Leaves the packet's own next as it is: the last one is ended once, by whoever fills the list.
    void push_back(RecvPkt& pkt) noexcept {
        if (tail_)
            tail_->set_next(&pkt);
        else
            head_ = &pkt;
        tail_ = &pkt;
        ++size_;
    }

    Queue* queue_ = nullptr;
    RecvPkt* head_ = nullptr;
    RecvPkt* tail_ = nullptr;
    std::uint32_t size_ = 0;
    Outcome outcome_ = Outcome::timeout;
};

static_assert(std::ranges::forward_range<RecvList>);

}  // namespace pktverbs
