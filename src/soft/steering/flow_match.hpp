// SPDX-License-Identifier: Apache-2.0
// FlowMatch: one flow, in the form that the soft device matches.
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
    ibv_counters* counters = nullptr;  ///< as the caller gave them, not examined

    /// Whether it is worth receiving a frame for.
    bool wants_frames() const noexcept { return !drop || counters != nullptr; }
    bool matches(const FrameKey& key) const noexcept;
    /// Whether the flow requires ports, and matches this fragment, which has none, in everything else.
    bool misses(const FrameKey& fragment) const noexcept;

    bool operator==(const FlowMatch&) const = default;
};

/// The longest flow attribute: 255 specs, each with a 16-bit size.
constexpr std::size_t max_flow_attr_bytes = sizeof(ibv_flow_attr) + 255 * std::size_t{UINT16_MAX};

/// Reads an ibv_flow_attr and the specs that follow it, as ibv_create_flow takes them. Returns 0, or a NIC's errno:
/// EINVAL for a malformed or contradictory attribute, EOPNOTSUPP for one that is not modelled. `match` changes only
/// when it returns 0. Specs may come in any order. Never reads past `readable` bytes. attr.size is ignored: libibverbs
/// uses the number of specs and the size of each, and programs (perftest, pyverbs) leave other values there. `attr`
/// must be the caller's own object, not a member of a packed struct: g++ would pass a copy of the attribute without the
/// specs.
int read_flow_attr(const ibv_flow_attr& attr, std::size_t readable, FlowMatch& match) noexcept;

}  // namespace pktverbs::soft
