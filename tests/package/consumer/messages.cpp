// SPDX-License-Identifier: Apache-2.0
// A user's program of the component messages; without RDMA, it says so.
#include <fmt/core.h>

#include <system_error>

#include <pktverbs/messages/messages.hpp>

int main() try {
    pktverbs::async::Executor executor;
    const pktverbs::messages::Messenger messenger{executor};
    executor.spawn([]() -> pktverbs::async::Task<> { co_return; }());
    executor.run();
    fmt::print("ok: there is RDMA here\n");
} catch (const std::system_error& error) {
    fmt::print("ok: {}\n", error.what());
}
