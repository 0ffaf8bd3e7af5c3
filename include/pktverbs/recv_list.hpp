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

/// Why a call that may wait returned.
enum class Outcome : std::uint8_t {
    packets,          ///< the list holds packets
    timeout,          ///< the deadline passed; also "nothing yet" from a call that may not wait
    stopped,          ///< a stop was requested
    queue_error,      ///< the queue is in error and receives nothing until Queue::recover()
    device_error,     ///< the device refused to poll, arm or wait; Queue::error() has the errno
    no_receive_side,  ///< the context was opened to send only
};

/// Returns "packets", "timeout", ...
PKTVERBS_EXPORT std::string_view to_string(Outcome outcome) noexcept;

/// Holds received packets, and posts them to their queue again when it ends, so a list that is dropped loses no packet.
///
/// A forward range of RecvPkt&. Move-only. It may be moved to, and end in, any thread. It may outlive its Context; its
/// packets' bytes stay readable until it ends.
class PKTVERBS_EXPORT RecvList : public PacketChain<RecvPkt> {
public:
    /// An empty list.
    RecvList() noexcept = default;
    /// An empty list with the reason that it is empty.
    explicit RecvList(Outcome outcome) noexcept : outcome_{outcome} {}
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

    /// Why the list was returned: it holds packets, or the reason that it does not.
    Outcome outcome() const noexcept { return outcome_; }

    /// Takes the first packet out, as a list of its own, to keep it longer than the rest. Returns an empty list from an
    /// empty one.
    RecvList pop_front() noexcept {
        RecvList first{outcome_};
        first.take_front(*this);
        return first;
    }
    /// Appends the packets of `other`. Both must come from the same queue, or one be empty; else it throws
    /// std::system_error (EINVAL) and both stay as they are.
    void append(RecvList&& other) {
        if (empty()) outcome_ = other.outcome_;
        take_all(other);
    }

    /// Posts the packets to the NIC again now, with one doorbell, and leaves the list empty. Returns how many were
    /// posted; packets that the device refused wait in the queue and are posted with the next release.
    std::size_t release() noexcept;

    /// Exchanges the packets of two lists.
    void swap(RecvList& other) noexcept {
        PacketChain::swap(other);
        std::swap(outcome_, other.outcome_);
    }

private:
    friend class RecvSide;

    Outcome outcome_ = Outcome::timeout;
};

}  // namespace pktverbs
