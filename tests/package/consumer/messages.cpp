// SPDX-License-Identifier: Apache-2.0
// A user's program of the component messages; without RDMA, it says so.
#include <fmt/core.h>

#include <system_error>

#include <pktverbs/messages/messages.hpp>

int main() try {
    pktverbs::messages::EventLoop loop;
    loop.spawn([](pktverbs::messages::EventLoop& on) -> pktverbs::messages::Task<> {
        on.stop();
        co_return;
    }(loop));
    loop.run();
    fmt::print("ok: there is RDMA here\n");
} catch (const std::system_error& error) {
    fmt::print("ok: {}\n", error.what());
}
