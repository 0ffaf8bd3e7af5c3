// SPDX-License-Identifier: Apache-2.0
// Outcome: why receiving came to an end.
#pragma once

#include <fmt/core.h>

#include <cerrno>
#include <system_error>

#include <pktverbs/context.hpp>
#include <pktverbs/recv_list.hpp>

namespace example {

/// Throws if receiving came to an end for another reason than time or the user.
inline void check_outcome(pktverbs::Context& ctx, pktverbs::Outcome outcome) {
    if (outcome != pktverbs::Outcome::queue_error && outcome != pktverbs::Outcome::device_error) return;
    const int error = ctx.queue(0).error();
    throw std::system_error{error != 0 ? error : EIO, std::generic_category(),
                            fmt::format("cannot receive from {}: {}", ctx.device().name, to_string(outcome))};
}

}  // namespace example
