// SPDX-License-Identifier: Apache-2.0
// wait_until_up: waits for a link that another program has yet to join.
#pragma once

#include <stop_token>

#include <pktverbs/context.hpp>
#include <pktverbs/options.hpp>
#include <pktverbs/verbs/async_event.hpp>

namespace example {

/// Returns false if `stop` was requested first.
inline bool wait_until_up(pktverbs::Context& ctx, const std::stop_token& stop) {
    while (ctx.port().state != IBV_PORT_ACTIVE)
        if (!ctx.wait_event(pktverbs::no_timeout, stop)) return false;
    return true;
}

}  // namespace example
