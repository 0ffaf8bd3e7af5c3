// SPDX-License-Identifier: Apache-2.0
// Counts: the packets of a capture, by what happened to them.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <string_view>

#include <pktverbs/verbs/device.hpp>

namespace capture {

/// Why a packet that was received is not in the file.
enum class Drop : std::uint8_t {
    ring_full,    ///< the disk didn't keep up
    overwritten,  ///< the same, where the newest packets are kept
    late,         ///< its place had been handed over
    duplicate,    ///< its place was taken
    no_place,     ///< no sequence number, or one far from the others
    too_long,     ///< longer than a slot
    failed,       ///< the device reported an error
    disk,         ///< a write failed
};
inline constexpr std::array<std::string_view, 8> drop_names{"ring full", "overwritten", "late",   "duplicate",
                                                            "no place",  "too long",    "failed", "disk"};

/// A snapshot. received = written + filtered + dropped + packets in the ring, which is empty at the end.
struct Counts {
    std::uint64_t received = 0;
    std::uint64_t received_bytes = 0;  ///< whole frames without FCS
    std::uint64_t written = 0;
    std::uint64_t filtered = 0;  ///< not wanted in the file; known at the end
    std::array<std::uint64_t, drop_names.size()> drops{};
    std::uint64_t missing = 0;  ///< by their sequence numbers
    std::size_t ring_blocks = 0;
    std::size_t filled_blocks = 0;
    pktverbs::verbs::DeviceDrops device;  ///< lost before they were received

    std::uint64_t& operator[](Drop reason) noexcept { return drops[static_cast<std::size_t>(reason)]; }
    const std::uint64_t& operator[](Drop reason) const noexcept { return drops[static_cast<std::size_t>(reason)]; }
    std::uint64_t dropped() const noexcept { return std::reduce(drops.begin(), drops.end()); }
    /// Whether wanted packets are not in the file. Duplicates do not count, as the first one is there.
    bool has_losses() const noexcept {
        return missing != 0 || device.lost() != 0 || dropped() != (*this)[Drop::duplicate];
    }
};

}  // namespace capture
