// SPDX-License-Identifier: Apache-2.0
// send_one: sends one frame, for programs that send only now and then.
#pragma once

#include <chrono>
#include <cstddef>
#include <utility>

#include <pktverbs/context.hpp>
#include <pktverbs/net/net.hpp>

namespace example {

namespace net = pktverbs::net;

/// Lets `fill` write a frame of `frame_bytes`, and sends it. Returns false if it was not posted: all packets were in
/// flight for a second, or the device refused it.
template <class Fill>
bool send_one(pktverbs::Context& ctx, std::size_t frame_bytes, Fill&& fill) {
    auto packets = ctx.acquire(1, std::chrono::seconds{1});
    if (packets.empty()) return false;
    packets.front().set_length(frame_bytes);
    fill(net::Bytes{packets.front().bytes()});
    return ctx.send(std::move(packets)).empty();
}

}  // namespace example
