// SPDX-License-Identifier: Apache-2.0
// msg_recv: accepts connections and prints the messages received, with callbacks.
#include <fmt/core.h>

#include <algorithm>
#include <cctype>
#include <cstdint>
#include <cstdio>
#include <limits>
#include <list>
#include <optional>
#include <string>
#include <system_error>
#include <utility>

#include <pktverbs/async/stop_on_signal.hpp>
#include <pktverbs/messages/messages.hpp>
#include "common/command_line.hpp"
#include "common/quantity_option.hpp"
#include "common/resolve.hpp"

namespace messages = pktverbs::messages;

namespace {

struct Arguments {
    std::string address = "[::]";
    std::uint64_t count = std::numeric_limits<std::uint64_t>::max();
    std::uint64_t show = 10;
    std::uint32_t max_size = 64 * 1024;
    bool echo = false;
    bool once = false;
};

class Receiver {
public:
    Receiver(messages::Messenger& messenger, const messages::Address& address, const Arguments& args) : args_{args} {
        listener_.emplace(messenger, address, messages::Options{.message_bytes = args.max_size},
                          messages::ListenerHandlers{.request = [this](auto request) { accept(std::move(request)); }});
        fmt::print("listening at {}\n", listener_->address().to_string());
        std::fflush(stdout);
    }
    std::uint64_t received() const noexcept { return received_; }

private:
    void accept(messages::Request request) {
        fmt::print("{} wants to connect\n", request.peer().to_string());
        const auto place = sockets_.emplace(sockets_.end(), request.accept());
        place->set_handlers({
            .message = [this](auto& socket, messages::Message message) { take(socket, std::move(message)); },
            .disconnected = [this, place](auto& socket, std::error_code) { forget(socket, place); },
            .error = [](auto&, const std::system_error& error) { fmt::print(stderr, "msg_recv: {}\n", error.what()); },
        });
    }

    void take(messages::Socket& socket, messages::Message message) {
        if (received_++ < args_.show) {
            std::string text{message.bytes().begin(), message.bytes().end()};
            text.resize(std::min(text.find('\0'), text.size()));
            std::ranges::replace_if(
                text, [](unsigned char c) { return !std::isprint(c); }, '.');
            fmt::print("{} bytes: {}\n", message.size(), text);
        }
        if (args_.echo) static_cast<void>(socket.try_send(std::move(message)));
        if (received_ >= args_.count) stop();
    }

    void forget(messages::Socket& socket, std::list<messages::Socket>::iterator place) {
        fmt::print("{} has left; {} messages so far\n", socket.peer().to_string(), received_);
        std::fflush(stdout);
        sockets_.erase(place);
        if (args_.once) stop();
    }

    /// Ends everything that the executor waits for, so that it returns.
    void stop() {
        listener_.reset();
        sockets_.clear();
    }

    const Arguments& args_;
    std::list<messages::Socket> sockets_;
    std::uint64_t received_ = 0;
    std::optional<messages::Listener> listener_;
};

}  // namespace

int main(int argc, char** argv) {
    example::CommandLine app{"Accepts connections and prints the messages received.", "msg_recv"};
    Arguments args;
    app.add_option("ADDRESS", args.address, "Where to listen: HOST, HOST:PORT or [IPV6]:PORT (default [::]:12345)");
    app.add_option("--count", args.count, "Stop after so many messages").between(1, 1e15);
    app.add_option("--show", args.show, "Print the first so many (default 10)").between(0, 1e15);
    example::add_size(app, "--max-size", args.max_size, 1, 1 << 24, "Longest message (default 64KiB)");
    app.add_flag("--echo", args.echo, "Send each message back");
    app.add_flag("--once", args.once, "Stop when the first one leaves");
    return app.run(argc, argv, [&] {
        const pktverbs::StopOnSignal signals;
        const auto address = example::resolve(args.address).front();
        pktverbs::async::Executor executor;
        messages::Messenger messenger{executor};
        const Receiver receiver{messenger, address, args};
        executor.run(signals.token());
        fmt::print("received {} messages\n", receiver.received());
        return 0;
    });
}
