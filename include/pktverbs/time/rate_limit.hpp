// SPDX-License-Identifier: Apache-2.0
// rate_limit: a device's own limit on the rate of a queue.
#pragma once

#include <cstddef>
#include <cstdint>

#include <pktverbs/export.hpp>
#include <pktverbs/time/rate.hpp>

namespace pktverbs {

class Context;

/// Details of a rate limit that some devices use.
struct RateLimitOptions {
    /// The largest burst in bytes, at the link's own speed. 0: the device chooses. Some devices that limit rates can't
    /// set it, and fail with EINVAL.
    std::uint32_t max_burst_bytes = 0;
    /// The length of most frames, which a rate in packets needs. 0: not known. With a burst size, the device gets it as
    /// well; then it must be below 65536.
    std::uint32_t frame_bytes = 0;
};

/// Asks the device to keep a queue's sends at a rate (ibv_modify_qp_rate_limit(3)). Devices take whole kb/s, and none
/// documents whether it counts frames or the wire: a rate in bits is passed on as it is, rounded down. The limit holds
/// until it is changed, lifted or lost in Queue::recover(). Must not run while another thread recovers the queue.
/// Throws std::system_error: EOPNOTSUPP if the device limits no rates, or not for such a queue pair; ERANGE if the rate
/// is outside the device's limits; EINVAL for a rate in packets of unknown length; or the device's errno.
PKTVERBS_EXPORT void limit_rate(Context& ctx, const Rate& rate, const RateLimitOptions& options = {},
                                std::size_t queue = 0);
/// Lifts the limit: the queue sends as fast as it can again. Throws like limit_rate().
PKTVERBS_EXPORT void lift_rate_limit(Context& ctx, std::size_t queue = 0);

}  // namespace pktverbs
