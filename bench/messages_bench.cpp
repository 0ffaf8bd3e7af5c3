// SPDX-License-Identifier: Apache-2.0
// messages_bench: pktverbs::messages between two processes, each with an executor that sleeps; measured as perftest's
// ib_send_bw and ib_send_lat do it with events, to be compared with them.
#include <fmt/core.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <exception>
#include <optional>
#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>

#include <pktverbs/messages/messages.hpp>

#include "common/command_line.hpp"
#include "measure.hpp"

namespace {

using namespace pktverbs::messages;

struct Plan {
    std::string mode = "bandwidth";
    std::string address = "10.198.52.2";
    std::uint32_t bytes = 64;
    std::uint64_t messages = 20000;
    std::uint32_t sends = 16;
    std::uint32_t receives = 512;  ///< perftest's default: a peer that runs out of them makes one wait for a timer
};

/// One process's end of the connection.
class End {
public:
    /// Side 1 listens, at a port that it tells side 0.
    End(const Plan& plan, int side, int fd) : plan_{plan} {
        Address address = Address::resolve(plan.address + (side == 1 ? ":0" : "")).front();
        const Options options{.message_bytes = plan.bytes, .receives = plan.receives, .sends = plan.sends};
        std::optional<Listener> listener;
        if (side == 1)
            listener.emplace(messenger_, address, options, ListenerHandlers{.request = [this](Request request) {
                                 socket_.emplace(request.accept(handlers()));
                             }});
        const auto port = measure::exchange(fd, listener ? listener->address().port() : std::uint16_t{0});
        if (side == 0) socket_.emplace(messenger_, fmt::format("{}:{}", plan.address, port), options, handlers());
        step_until([this] { return socket_ && socket_->is_established(); });
        measure::meet(fd);
    }

    void stream() {
        for (std::uint32_t i = 0; i < std::min<std::uint64_t>(plan_.sends, plan_.messages); ++i) send();
    }
    void send() {
        Message message = socket_->try_acquire();
        message.resize(plan_.bytes);
        send(std::move(message));
    }
    void send(Message message) {
        ++posted_;
        if (const auto error = socket_->try_send(std::move(message))) throw std::system_error{error, "try_send"};
    }
    void wait_sent() {
        step_until([this] { return sent_ == plan_.messages; });
    }
    void wait_received() {
        step_until([this] { return received_ == plan_.messages; });
    }
    /// For each message that comes: whether to send it back.
    template <class Answer>
    void answer(Answer should_answer) {
        SocketHandlers answering = handlers();
        answering.message = [this, should_answer](Socket&, Message message) {
            ++received_;
            if (should_answer()) send(std::move(message));
        };
        answering.sent = {};
        socket_->set_handlers(std::move(answering));
    }

private:
    SocketHandlers handlers() {
        return {
            .message = [this](Socket&, Message) { ++received_; },
            .sent =
                [this](Socket&, Message message) {
                    ++sent_;
                    if (posted_ < plan_.messages) send(std::move(message));
                },
            .disconnected = [](Socket&, std::error_code) { throw std::runtime_error{"the connection has ended"}; },
            .error = [](Socket&, const std::system_error& error) { throw error; },
        };
    }
    template <class Condition>
    void step_until(Condition is_met) {
        while (!is_met()) executor_.step(std::chrono::nanoseconds::max());
    }

    const Plan& plan_;
    pktverbs::async::Executor executor_;
    Messenger messenger_{executor_};
    std::optional<Socket> socket_;
    std::uint64_t posted_ = 0;
    std::uint64_t sent_ = 0;
    std::uint64_t received_ = 0;
};

int run(const Plan& plan, int side, int fd) try {
    End end{plan, side, fd};
    const bool first = side == 0;
    if (plan.mode == "latency") {
        measure::Turns turns{plan.messages};
        if (first) {
            end.answer([&] { return turns.add(), turns.size() < plan.messages; });
            end.send();
        } else {
            end.answer([] { return true; });
        }
        end.wait_received();
        if (first) turns.print(plan.bytes);
    } else {
        const bool both = plan.mode == "both";
        const measure::Stopwatch watch;
        if (first || both) end.stream();
        if (first || both) end.wait_sent();
        if (!first || both) end.wait_received();
        if (first) measure::print_rate(plan.mode, plan.bytes, plan.messages * (both ? 2 : 1), watch);
    }
    measure::meet(fd);  // neither leaves before the other is done
    return 0;
} catch (const std::exception& error) {
    fmt::print(stderr, "messages_bench: {}\n", error.what());
    return 1;
}

}  // namespace

int main(int argc, char** argv) {
    Plan plan;
    example::CommandLine app{
        "Message rate or latency of pktverbs::messages between two processes that sleep when there is nothing."};
    app.add_option("mode", plan.mode, "bandwidth, both (ways at once) or latency")
        .required()
        .one_of({"bandwidth", "both", "latency"});
    app.add_option("--address", plan.address, "where one of them listens").default_shown();
    app.add_option("--size", plan.bytes, "bytes in a message").in_range(1, 1 << 23).default_shown();
    app.add_option("--messages", plan.messages, "how many, each way").in_range(1, 1 << 30).default_shown();
    app.add_option("--sends", plan.sends, "that can be under way").in_range(1, 1 << 14).default_shown();
    app.add_option("--receives", plan.receives, "that can wait").in_range(2, 1 << 14).default_shown();
    if (const auto status = app.parse(argc, argv)) return *status;
    return measure::run_two([&](int side, int fd) { return run(plan, side, fd); });
}
