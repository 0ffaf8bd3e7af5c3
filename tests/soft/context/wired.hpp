// SPDX-License-Identifier: Apache-2.0
// Wired: a test with two hands: Contexts on a wire of its own, and the world at the other end.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include <pktverbs/soft/device.hpp>
#include <pktverbs/soft/wire.hpp>

#include "frames.hpp"

namespace pktverbs::testing {

/// Whether packets are datagrams: some of what frames do, they don't.
inline constexpr bool datagrams = false;

class Wired : public ::testing::Test {
protected:
    Context open(const Options& options = small) { return Context{"wire:" + name, options}; }
    /// Has frames of the world steered to a queue: all, or those of one EtherType.
    static Flow hear(Context& ctx, std::size_t queue = 0) { return ctx.install(FlowRule{}, queue); }
    static Flow hear(Context& ctx, std::size_t queue, std::uint16_t ether_type) {
        return ctx.install(FlowRule{}.ether_type(ether_type), queue);
    }
    /// The world sends `count` frames, numbered from `first`.
    void plant(std::uint32_t count = 1, std::uint32_t first = 0) {
        for (std::uint32_t i = 0; i < count; ++i) world.send(frame(first + i));
    }

    static std::string wire_name() {
        const auto* info = ::testing::UnitTest::GetInstance()->current_test_info();
        return std::string{info->test_suite_name()} + "." + info->name();
    }

    const std::string name = wire_name();
    soft::Wire wire{name};
    soft::WireTap world{name};
};

/// A Context that receives every frame.
class Receiving : public Wired {
protected:
    Context ctx = open();
    Flow flow = hear(ctx);
};

}  // namespace pktverbs::testing
