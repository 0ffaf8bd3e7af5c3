// SPDX-License-Identifier: Apache-2.0
// msg_send: sends numbered messages to msg_recv, as fast as it takes them, with coroutines.
#include <fmt/core.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <pktverbs/messages/messages.hpp>
#include "common/command_line.hpp"
#include "common/quantity_option.hpp"
#include "common/resolve.hpp"

using namespace std::chrono_literals;

namespace messages = pktverbs::messages;
using pktverbs::async::Executor;
using pktverbs::async::Task;

namespace {

struct Arguments {
    std::string peer;
    std::uint64_t count = 1;
    std::uint32_t size = 64;
    std::chrono::milliseconds timeout = std::chrono::seconds{5};
};

Task<> send(messages::Messenger& messenger, const std::vector<messages::Address>& peer, const Arguments& args) {
    messages::Options options;
    options.message_bytes = std::max(options.message_bytes, args.size);
    options.connect_timeout = args.timeout;
    messages::Socket socket{messenger, peer, options};
    co_await socket.established();
    fmt::print("{} to {}: it takes messages of up to {} bytes\n", socket.local().to_string(), socket.peer().to_string(),
               socket.peer_message_bytes());

    const auto start = std::chrono::steady_clock::now();
    for (std::uint64_t number = 0; number < args.count; ++number) {
        auto message = co_await socket.acquire();
        if (!message) throw std::runtime_error{"the peer has left"};
        message->resize(args.size);
        const std::string text = fmt::format("message {}", number);
        std::ranges::fill(message->bytes(), std::uint8_t{0});
        std::ranges::copy(text.substr(0, args.size), message->bytes().begin());
        if (const auto error = co_await socket.send(std::move(*message))) throw std::system_error{error};
    }
    // Waits for what is under way, then takes leave; the executor runs until the peer has answered.
    socket.disconnect();
    while (co_await socket.receive()) continue;
    const std::chrono::duration<double> time = std::chrono::steady_clock::now() - start;
    fmt::print("sent {} messages of {} bytes in {:.3f} s: {:.0f} messages/s\n", args.count, args.size, time.count(),
               static_cast<double>(args.count) / time.count());
}

}  // namespace

int main(int argc, char** argv) {
    example::CommandLine app{"Sends numbered messages to msg_recv, or to any program that receives over RDMA_PS_TCP.",
                             "msg_send"};
    app.footer("msg_send 10.0.0.2 --count 1000\nmsg_send [fe80::1%eth0]:12345");
    Arguments args;
    app.add_option("PEER", args.peer, "HOST, HOST:PORT or [IPV6]:PORT (default port 12345)").required();
    app.add_option("--count", args.count, "Messages (default 1)").between(1, example::max_packets);
    example::add_size(app, "--size", args.size, 0, 1 << 24, "Bytes of each (default 64)");
    example::add_duration(app, "--timeout", args.timeout, 1ms, 1000000s, "Time to connect (default 5 s)");
    return app.run(argc, argv, [&] {
        const auto peer = example::resolve(args.peer);
        Executor executor;
        messages::Messenger messenger{executor};
        executor.spawn(send(messenger, peer, args));
        executor.run();
        return 0;
    });
}
