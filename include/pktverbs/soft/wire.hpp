// SPDX-License-Identifier: Apache-2.0
// Wire: the in-memory wire behind "wire:NAME", as the world outside the NICs sees it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include <pktverbs/export.hpp>

namespace pktverbs::soft {

/// Chances per frame and receiving end, 0 to 1, drawn from one generator, so that a seed gives the same faults again.
/// Where there is no memory for a copy of the frame, it is neither held back nor corrupted.
struct WireFaults {
    double loss = 0;
    double duplication = 0;
    double reordering = 0;  ///< the frame is held back until the next one has passed it
    double corruption = 0;  ///< one bit of a copy is flipped
    std::uint64_t seed = 1;
};

/// In frames, per receiving end summed: sent * (ends - 1) + duplicated = delivered + lost + link_down + held.
struct WireCounters {
    std::uint64_t sent = 0;       ///< put on the wire by any end, once each
    std::uint64_t offered = 0;    ///< `sent`, counted once for each end that should get it
    std::uint64_t delivered = 0;  ///< handed to an end, duplicates included
    std::uint64_t lost = 0;
    std::uint64_t duplicated = 0;
    std::uint64_t reordered = 0;
    std::uint64_t corrupted = 0;  ///< and delivered
    std::uint64_t link_down = 0;  ///< not carried because the link was down
    std::uint64_t held = 0;       ///< held back for reordering now
};

/// A handle: copies mean the same wire. A wire lives as long as a handle or an end of it. Any
/// thread may use it. It is a test's other hand: breaks the link, makes faults, reads the counters.
class PKTVERBS_EXPORT Wire {
public:
    /// The wire of that name in this process; made if it isn't there.
    explicit Wire(std::string_view name);

    /// Takes effect with the next frame. Restarts the generator from the seed.
    void set_faults(const WireFaults& faults);
    /// Down: frames are lost, and ports report it. Wires start up.
    void set_link(bool up);
    WireCounters counters() const;
    /// Delivers what is held back for reordering.
    void release_held();

private:
    friend class WireTap;
    std::shared_ptr<class WireMedium> medium_;
};

/// An end of a wire that is no NIC: plants frames and reads everything that passes. One thread at a time.
class PKTVERBS_EXPORT WireTap {
public:
    explicit WireTap(std::string_view wire);
    WireTap(WireTap&&) noexcept;
    WireTap& operator=(WireTap&&) noexcept;
    ~WireTap();

    /// Puts a frame on the wire, Ethernet header first.
    void send(std::span<const std::uint8_t> frame);
    /// What arrived since the last call, in order. It is all kept until then, however much that is; what there is no
    /// memory for counts in WireCounters::lost.
    std::vector<std::vector<std::uint8_t>> receive();

private:
    std::unique_ptr<class WireTapEnd> end_;
};

}  // namespace pktverbs::soft
