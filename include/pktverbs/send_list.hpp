// SPDX-License-Identifier: Apache-2.0
// SendList: an owned chain of packets to fill and send.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>

#include <pktverbs/export.hpp>
#include <pktverbs/packet/packet_chain.hpp>
#include <pktverbs/send_pkt.hpp>

namespace pktverbs {

/// Holds packets to fill and send, and returns those that are not sent to the queue's free packets when it ends.
///
/// A forward range of SendPkt&. Move-only. It belongs to the thread that sends on its queue.
class PKTVERBS_EXPORT SendList : public PacketChain<SendPkt> {
public:
    /// An empty list.
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

    /// On a list that send() returned: the errno with which its first packet was not posted; else 0.
    int error() const noexcept { return error_; }

    /// Takes the first packet out, as a list of its own. Returns an empty list from an empty one.
    SendList pop_front() noexcept {
        SendList first;
        first.take_front(*this);
        return first;
    }
    /// Appends the packets of `other`. Both must come from the same queue, or one be empty; else it throws
    /// std::system_error (EINVAL) and both stay as they are.
    void append(SendList&& other) { take_all(other); }
    /// Returns the packets unsent to the queue's free packets, and leaves the list empty.
    void cancel() noexcept;

    /// Exchanges the packets of two lists.
    void swap(SendList& other) noexcept {
        PacketChain::swap(other);
        std::swap(error_, other.error_);
    }

private:
    friend class SendSide;

    int error_ = 0;
};

}  // namespace pktverbs
