// SPDX-License-Identifier: Apache-2.0
// PacketChain: packets linked through their work requests; the base of RecvList and SendList.
#pragma once

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <utility>

#include <pktverbs/export.hpp>

namespace pktverbs {

class Queue;
class RecvSide;
class SendSide;

/// Throws std::system_error (EINVAL), because the lists' packets come from two queues.
[[noreturn]] PKTVERBS_EXPORT void refuse_to_join();

/// Links packets through their work requests, and makes them a forward range of Pkt&.
///
/// It owns nothing; the lists derived from it do.
template <class Pkt>
class PacketChain {
public:
    /// Visits the packets in order. It stays valid when the packet it points to is taken out.
    class iterator {
    public:
        using iterator_concept = std::forward_iterator_tag;
        using iterator_category = std::forward_iterator_tag;
        using value_type = Pkt;
        using difference_type = std::ptrdiff_t;
        using reference = Pkt&;
        using pointer = Pkt*;

        iterator() noexcept = default;
        reference operator*() const noexcept { return *pkt_; }
        pointer operator->() const noexcept { return pkt_; }
        iterator& operator++() noexcept { return *this = iterator{next_}; }
        iterator operator++(int) noexcept { return std::exchange(*this, iterator{next_}); }
        friend bool operator==(const iterator& a, const iterator& b) noexcept { return a.pkt_ == b.pkt_; }

    private:
        friend class PacketChain;
        // `next` is read on arrival, before the loop's body can relink the packet.
        explicit iterator(Pkt* pkt) noexcept : pkt_{pkt}, next_{pkt ? pkt->next() : nullptr} {}
        Pkt* pkt_ = nullptr;
        Pkt* next_ = nullptr;
    };

    PacketChain(const PacketChain&) = delete;
    PacketChain& operator=(const PacketChain&) = delete;

    iterator begin() const noexcept { return iterator{head_}; }
    iterator end() const noexcept { return {}; }
    /// Whether there is no packet.
    bool empty() const noexcept { return !head_; }
    /// Returns the number of packets.
    std::size_t size() const noexcept { return size_; }
    /// Returns the first packet. The chain must not be empty.
    Pkt& front() const noexcept { return *head_; }

protected:
    friend class RecvSide;
    friend class SendSide;

    PacketChain() noexcept = default;
    ~PacketChain() = default;

    /// Appends `count` packets, linked from `first` to `last`. Leaves the link of `last` as it is: the caller ends the
    /// chain once, when it has filled it.
    void link(Pkt* first, Pkt* last, std::uint32_t count) noexcept {
        if (head_)
            tail_->set_next(first);
        else
            head_ = first;
        tail_ = last;
        size_ += count;
    }
    /// Moves the first packet of `from` to the end.
    void take_front(PacketChain& from) noexcept {
        queue_ = from.queue_;
        if (from.empty()) return;
        Pkt* const pkt = from.head_;
        from.head_ = pkt->next();
        if (!from.head_) from.tail_ = nullptr;
        --from.size_;
        link(pkt, pkt, 1);
        pkt->set_next(nullptr);
    }
    /// Moves all packets of `from` to the end. Throws std::system_error (EINVAL) if they are another queue's.
    void take_all(PacketChain& from) {
        if (from.empty()) return;
        if (!empty() && queue_ != from.queue_) [[unlikely]]
            refuse_to_join();
        queue_ = from.queue_;
        link(from.head_, from.tail_, from.size_);
        from.forget();
    }
    /// Empties the chain, without a look at its packets.
    void forget() noexcept {
        head_ = tail_ = nullptr;
        size_ = 0;
    }
    /// Exchanges the packets of two chains.
    void swap(PacketChain& other) noexcept {
        std::swap(queue_, other.queue_);
        std::swap(head_, other.head_);
        std::swap(tail_, other.tail_);
        std::swap(size_, other.size_);
    }

    Queue* queue_ = nullptr;  ///< the queue that the packets belong to
    Pkt* head_ = nullptr;     ///< the first packet; null if there is none
    Pkt* tail_ = nullptr;     ///< the last packet
    std::uint32_t size_ = 0;  ///< the number of packets
};

}  // namespace pktverbs
