// SPDX-License-Identifier: Apache-2.0
// FlowMatch: one flow as the soft device understands it.
#pragma once

#include <infiniband/verbs.h>

#include <cstddef>
#include <cstdint>

#include "soft/steering/frame_key.hpp"

namespace pktverbs::soft {

/// A frame matches when (key & mask) == value, in all words.
struct FlowMatch {
    FrameKey value{};
    FrameKey mask{};
    ibv_flow_attr_type type = IBV_FLOW_ATTR_NORMAL;
    std::uint16_t priority = 0;
    bool dont_trap = false;
    bool drop = false;
    std::uint32_t tag = 0;
    ibv_counters* counters = nullptr;  ///< as the caller gave them, not looked into

    /// Whether it is worth receiving a frame for.
    bool wants_frames() const noexcept { return !drop || counters != nullptr; }
    bool matches(const FrameKey& key) const noexcept;
    /// Wants frames with certain ports, and matches this fragment in everything else: it has none, and the flow misses
    /// it.
    bool misses(const FrameKey& fragment) const noexcept;

    bool operator==(const FlowMatch&) const = default;
};

/// What no flow attribute is longer than: 255 specs, each of a 16-bit size.
constexpr std::size_t max_flow_attr_bytes = sizeof(ibv_flow_attr) + 255 * std::size_t{UINT16_MAX};

/// Reads an ibv_flow_attr and the specs behind it, as ibv_create_flow takes them. Returns 0, or the
/// errno that a NIC gives: EINVAL for a malformed or contradicting one, EOPNOTSUPP for what is not modelled.
/// `match` changes only when it returns 0. Specs may come in any order. Never reads past `readable` bytes. attr.size is
/// not looked at: libibverbs goes by the number of specs and the size of each, and programs (perftest, pyverbs) leave
/// something else there.
/// `attr` must be the caller's own object, not a member of a packed struct: g++ would pass a copy of that alone.
int read_flow_attr(const ibv_flow_attr& attr, std::size_t readable, FlowMatch& match) noexcept;

}  // namespace pktverbs::soft
