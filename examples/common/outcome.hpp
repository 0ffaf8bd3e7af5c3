// SPDX-License-Identifier: Apache-2.0
// Outcome: why receiving ended.
#pragma once

#include <fmt/core.h>

#include <cerrno>
#include <system_error>

#include <pktverbs/context.hpp>
#include <pktverbs/recv_list.hpp>

namespace example {

/// Throws if receiving ended for another reason than the time or a stop.
inline void check_outcome(pktverbs::Context& ctx, pktverbs::Outcome outcome) {
    if (outcome != pktverbs::Outcome::queue_error && outcome != pktverbs::Outcome::device_error) return;
    const int error = ctx.queue(0).error();
    throw std::system_error{error != 0 ? error : EIO, std::generic_category(),
                            fmt::format("cannot receive from {}: {}", ctx.device().name, to_string(outcome))};
}

}  // namespace example
