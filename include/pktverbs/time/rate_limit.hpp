// SPDX-License-Identifier: Apache-2.0
// rate_limit: lets the device itself keep a queue's sends at a rate, where it can.
#pragma once

#include <cstddef>
#include <cstdint>

#include <pktverbs/export.hpp>
#include <pktverbs/time/rate.hpp>

namespace pktverbs {

class Context;

struct RateLimitOptions {
    /// Most bytes that may go at once, at the link's own speed. 0: the device's choice. Not every device that limits
    /// rates can be told this: EINVAL.
    std::uint32_t max_burst_bytes = 0;
    /// The length of most frames, which a rate of packets needs. 0: not known. With a burst size the device is told as
    /// well; then below 65536.
    std::uint32_t frame_bytes = 0;
};

/// By ibv_modify_qp_rate_limit(3). Devices take whole kb/s, and none says whether it counts the frame or the wire: a
/// rate of bits is passed on as it is, rounded down. It holds until it is changed, lifted or lost with
/// Queue::recover(). Control plane: not while another thread recovers the queue.
/// Throws std::system_error: EOPNOTSUPP if the device limits no rates, or not those of such a queue pair; ERANGE if it
/// can't limit to that one; EINVAL for a rate of packets whose length isn't known; or what the device said.
PKTVERBS_EXPORT void limit_rate(Context& ctx, const Rate& rate, const RateLimitOptions& options = {},
                                std::size_t queue = 0);
/// As fast as it goes again. Throws like limit_rate().
PKTVERBS_EXPORT void lift_rate_limit(Context& ctx, std::size_t queue = 0);

}  // namespace pktverbs
