// SPDX-License-Identifier: Apache-2.0
// Connection: the shared memory of two peers, and the rings in it.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include <pktverbs/address/mac_address.hpp>

#include "soft/link/link.hpp"
#include "soft/link/memif/message.hpp"
#include "soft/link/memif/offer.hpp"
#include "soft/link/memif/receive_ring.hpp"
#include "soft/link/memif/regions.hpp"
#include "soft/link/memif/send_ring.hpp"

namespace pktverbs::soft::memif {

/// How frames look.
struct FrameForm {
    Mode mode = Mode::ethernet;
    MacAddress mac = {};          ///< of frames that come without a header
    std::uint32_t max_frame = 0;  ///< that is received, with its header
};

class Connection {
public:
    /// A server's, from a client's offer. Throws Refusal, std::system_error.
    static std::unique_ptr<Connection> serve(Offer offer, const FrameForm& form);
    /// A client's, from its own offer of that shape, before the server sees it. Takes the rings' descriptors, and
    /// leaves the memory's.
    static std::unique_ptr<Connection> bring(Offer& offer, const OfferShape& shape, const FrameForm& form);

    Connection(const Connection&) = delete;
    Connection& operator=(const Connection&) = delete;

    /// Both sides begin at 0: the server before it says CONNECTED, the client when that has come. From then on the
    /// client's empty buffers are there.
    void start() noexcept;

    // One thread that sends at a time.
    std::span<SendRing> send_rings() noexcept { return send_; }
    /// Frames that the peer has not taken.
    std::uint64_t count_left_over() noexcept;

    // One thread that receives at a time. What has come is taken from the rings in turn.
    /// As ReceiveRing::take().
    std::size_t take(std::span<RxFrame> frames, std::span<std::uint8_t> room) noexcept;
    void release() noexcept;
    void freeze() noexcept;
    std::uint64_t lost() const noexcept;

    // Any thread.
    const std::vector<std::unique_ptr<ReceiveRing>>& receive_rings() const noexcept { return receive_; }
    std::uint32_t count_send_rings() const noexcept { return static_cast<std::uint32_t>(send_.size()); }
    std::uint32_t count_receive_rings() const noexcept { return static_cast<std::uint32_t>(receive_.size()); }
    std::uint32_t ring_slots() const noexcept { return rings_.front().slots(); }
    bool has_frames() const noexcept {
        for (const auto& ring : receive_)
            if (ring->has_frames()) return true;
        return false;
    }
    void want_events(bool on) const noexcept;

private:
    Connection(const Offer& offer, bool owner);
    Ring find_ring(const OfferedRing& offered) const;
    void add_rings(std::vector<OfferedRing> sending, std::vector<OfferedRing> receiving, const OfferShape* shape,
                   const FrameForm& form);

    Regions regions_;
    const bool owner_;
    std::vector<Ring> rings_;
    std::vector<SendRing> send_;
    std::vector<std::unique_ptr<ReceiveRing>> receive_;
    std::size_t turn_ = 0;
    ReceiveRing* taken_from_ = nullptr;
};

}  // namespace pktverbs::soft::memif
