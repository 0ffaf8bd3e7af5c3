// SPDX-License-Identifier: Apache-2.0
// RecvList: an owned chain of received packets that goes back to its queue by itself.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <utility>

#include <pktverbs/export.hpp>
#include <pktverbs/packet/packet_chain.hpp>
#include <pktverbs/recv_pkt.hpp>

namespace pktverbs {

namespace async {
template <class Source>
class Recv;
}

/// Why a call that waits came back.
enum class Outcome : std::uint8_t {
    packets,          ///< there is something in the list
    timeout,          ///< the deadline passed; also what a call that may not wait gives for "nothing yet"
    stopped,          ///< the stop token asked for it
    queue_error,      ///< the queue is in error and gives nothing until Queue::recover()
    device_error,     ///< the device refused to poll, arm or wait; Queue::error() has the errno
    no_receive_side,  ///< the context was opened to send only
};

/// "packets", "timeout", ...
PKTVERBS_EXPORT std::string_view to_string(Outcome outcome) noexcept;

/// A forward range of RecvPkt&. Move-only owner: when it ends, its packets are posted to the
/// queue again, so nothing is lost by forgetting. May be moved to, and end in, any
/// thread. Lists may outlive their Context; their packets' bytes stay readable until then.
class PKTVERBS_EXPORT RecvList : public PacketChain<RecvPkt> {
public:
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

    /// Why the list is as it is: packets, or the reason for none.
    Outcome outcome() const noexcept { return outcome_; }

    /// Takes the first packet out, as a list of its own: to keep it longer than the rest. Empty from an empty list.
    RecvList pop_front() noexcept {
        RecvList first{outcome_};
        first.take_front(*this);
        return first;
    }
    /// Puts the packets of `other` behind its own. Both must come from the same queue, or one be empty; else it throws
    /// std::system_error (EINVAL), and both stay as they are.
    void append(RecvList&& other) {
        if (empty()) outcome_ = other.outcome_;
        take_all(other);
    }

    /// Gives the packets back to the NIC now, with one doorbell, and is empty. Returns how many
    /// were posted; those that the device refused wait in the queue and are posted with the next release.
    std::size_t release() noexcept;

    void swap(RecvList& other) noexcept {
        PacketChain::swap(other);
        std::swap(outcome_, other.outcome_);
    }

private:
    friend class Context;
    friend class Core;
    friend class Queue;
    template <class Source>
    friend class async::Recv;
    explicit RecvList(Outcome outcome) noexcept : outcome_{outcome} {}

    Outcome outcome_ = Outcome::timeout;
};

}  // namespace pktverbs
