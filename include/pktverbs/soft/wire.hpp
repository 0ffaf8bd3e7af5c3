// SPDX-License-Identifier: Apache-2.0
// Wire: the in-memory wire behind "wire:NAME", seen from outside its NICs.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include <pktverbs/export.hpp>

namespace pktverbs::soft {

/// The faults that a wire makes, so that a test sees loss, duplicates, reordering and corruption.
///
/// Each is a probability from 0 to 1, per frame and receiving end. One generator draws them all, so a seed repeats the
/// same faults. If there is no memory for a copy of a frame, it is neither held back nor corrupted.
struct WireFaults {
    double loss = 0;         ///< the frame is not delivered
    double duplication = 0;  ///< it is delivered twice
    double reordering = 0;   ///< it is held back until the next one has passed it
    double corruption = 0;   ///< one bit of a copy is flipped
    std::uint64_t seed = 1;  ///< of the generator
};

/// Counts the frames on a wire, summed over the receiving ends: sent * (ends - 1) + duplicated = delivered + lost +
/// link_down + held.
struct WireCounters {
    std::uint64_t sent = 0;        ///< frames put on the wire, counted once each
    std::uint64_t offered = 0;     ///< `sent`, counted once for each end that should receive the frame
    std::uint64_t delivered = 0;   ///< frames delivered to an end, duplicates included
    std::uint64_t lost = 0;        ///< frames lost by a fault, or for lack of memory
    std::uint64_t duplicated = 0;  ///< additional copies that were made
    std::uint64_t reordered = 0;   ///< frames that were held back
    std::uint64_t corrupted = 0;   ///< frames delivered with a bit flipped
    std::uint64_t link_down = 0;   ///< frames not carried because the link was down
    std::uint64_t held = 0;        ///< frames held back now
};

/// Controls an in-memory wire from a test: makes faults, breaks the link, reads the counters.
///
/// A handle: copies refer to the same wire, which lives as long as a handle or an end of it. Any thread may use it.
class PKTVERBS_EXPORT Wire {
public:
    /// Finds the wire of that name in this process, or makes it.
    explicit Wire(std::string_view name);

    /// Sets the faults, from the next frame on. Restarts the generator from the seed.
    void set_faults(const WireFaults& faults);
    /// Takes the link up or down. When it is down, frames are lost and ports report it. A new wire is up.
    void set_link(bool up);
    /// Returns the counters since the wire was made.
    WireCounters counters() const;
    /// Delivers the frames that are held back for reordering.
    void release_held();

private:
    friend class WireTap;
    std::shared_ptr<class WireMedium> medium_;
};

/// Plants frames on a wire and reads everything that passes: an end of it that is not a NIC. One thread at a time.
class PKTVERBS_EXPORT WireTap {
public:
    /// Adds an end to the wire of that name, which is made if it doesn't exist.
    explicit WireTap(std::string_view wire);
    WireTap(WireTap&&) noexcept;
    WireTap& operator=(WireTap&&) noexcept;
    ~WireTap();

    /// Puts a frame on the wire, Ethernet header first.
    void send(std::span<const std::uint8_t> frame);
    /// Returns the frames that arrived since the last call, in order. All of them are kept until then, however many;
    /// frames that there is no memory for count in WireCounters::lost.
    std::vector<std::vector<std::uint8_t>> receive();

private:
    std::unique_ptr<class WireTapEnd> end_;
};

}  // namespace pktverbs::soft
