// SPDX-License-Identifier: Apache-2.0
// verbs_bench: messages over a reliable connection between two processes, by the verbs layer; measured as perftest's
// ib_send_bw and ib_send_lat do it, to be compared with them.
#include <fmt/core.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <exception>
#include <stdexcept>
#include <string>
#include <system_error>
#include <vector>

#include <pktverbs/verbs/async_event.hpp>
#include <pktverbs/verbs/endpoint.hpp>
#include <pktverbs/verbs/memory_region.hpp>
#include <pktverbs/verbs/queue_pair.hpp>

#include "common/command_line.hpp"
#include "measure.hpp"

namespace {

using namespace pktverbs::verbs;

struct Plan {
    std::string mode = "bandwidth";
    std::vector<std::string> devices{"rxe0", "rxe1"};
    std::uint32_t bytes = 64;
    std::uint64_t messages = 20000;
    std::uint32_t send_depth = 128;  ///< these are perftest's defaults
    std::uint32_t recv_depth = 512;
    std::uint32_t signal_every = 100;
    bool events = false;
};

/// One process's end: a queue pair, and one buffer that everything is sent from and received into.
class End {
public:
    End(const Plan& plan, const std::string& device)
        : plan_{plan}, open_{hardware_device(device)}, pd_{open_}, memory_(plan.bytes), region_{pd_, memory_} {
        for (std::uint32_t i = 0; i < plan.recv_depth; ++i) receive();
    }

    void connect(int fd) {
        qp_.connect(Endpoint::from_bytes(measure::exchange(fd, qp_.endpoint().to_bytes())).value());
        measure::meet(fd);
    }

    void receive() { check(qp_.post_recv(recv_)); }
    void send(bool signaled) { check(qp_.post_send(signaled ? signaled_ : unsignaled_)); }
    /// Waits for at least one completion, of sends or of receives: by polling, or asleep.
    std::size_t wait(CompletionQueue& cq) {
        for (bool armed = false;;) {
            const std::size_t got = cq.poll(16, [](const Completion& completion) {
                if (!completion.ok()) throw std::runtime_error{completion.to_string()};
            });
            if (got != 0) return got;
            if (!plan_.events) continue;
            if (armed)
                channel_.wait_event(std::chrono::nanoseconds::max());
            else
                cq.arm();
            armed = !armed;
        }
    }
    std::size_t wait_received() { return wait(recv_cq_); }
    std::size_t wait_sent() { return wait(send_cq_); }

private:
    static void check(PostResult result) {
        if (!result) throw std::system_error{result.error, std::generic_category(), "cannot post"};
    }

    const Plan& plan_;
    OpenDevice open_;
    ProtectionDomain pd_;
    std::vector<std::uint8_t> memory_;
    MemoryRegion region_;
    CompletionChannel channel_{open_};
    CompletionQueue send_cq_{open_, {.entries = plan_.send_depth, .channel = channel_}};
    CompletionQueue recv_cq_{open_, {.entries = plan_.recv_depth, .channel = channel_}};
    QueuePair qp_ = QueuePairBuilder{pd_, IBV_QPT_RC}
                        .sends_complete_on(send_cq_)
                        .receives_complete_on(recv_cq_)
                        .depth(plan_.send_depth, plan_.recv_depth)
                        .create();
    SendRequest signaled_ = SendRequest::send().with(region_.slice());
    SendRequest unsignaled_ = SendRequest{signaled_}.unsignaled();
    RecvRequest recv_ = RecvRequest{}.into(region_.slice());
};

void stream(End& end, const Plan& plan) {
    const measure::Stopwatch watch;
    for (std::uint64_t sent = 0, done = 0; done < plan.messages;) {
        while (sent < plan.messages && sent - done < plan.send_depth) {
            ++sent;
            end.send(sent % plan.signal_every == 0 || sent == plan.messages);
        }
        for (auto completions = end.wait_sent(); completions > 0; --completions)
            done = std::min(done + plan.signal_every, plan.messages);
    }
    measure::print_rate("bandwidth", plan.bytes, plan.messages, watch);
}

void sink(End& end, const Plan& plan) {
    for (std::uint64_t received = 0; received < plan.messages;) {
        const std::size_t got = end.wait_received();
        for (std::size_t i = 0; i < got; ++i) end.receive();
        received += got;
    }
}

void ping(End& end, const Plan& plan) {
    measure::Turns turns{plan.messages};
    for (std::uint64_t i = 0; i < plan.messages; ++i) {
        end.send(true);
        end.wait_received();
        end.receive();
        end.wait_sent();
        turns.add();
    }
    turns.print(plan.bytes);
}

void pong(End& end, const Plan& plan) {
    for (std::uint64_t i = 0; i < plan.messages; ++i) {
        end.wait_received();
        end.receive();
        end.send(true);
        end.wait_sent();
    }
}

int run(const Plan& plan, int side, int fd) try {
    End end{plan, plan.devices[static_cast<std::size_t>(side)]};
    end.connect(fd);
    const bool first = side == 0;
    if (plan.mode == "bandwidth")
        (first ? stream : sink)(end, plan);
    else
        (first ? ping : pong)(end, plan);
    measure::meet(fd);  // neither takes its queue pair away before the other is done
    return 0;
} catch (const std::exception& error) {
    fmt::print(stderr, "verbs_bench: {}\n", error.what());
    return 1;
}

}  // namespace

int main(int argc, char** argv) {
    Plan plan;
    example::CommandLine app{"Message rate or latency between two RDMA devices, over a reliable connection."};
    app.add_option("mode", plan.mode, "bandwidth or latency").required().one_of({"bandwidth", "latency"});
    app.add_option("--devices", plan.devices, "two verbs devices, or twice the same").expected(2, 2).default_shown();
    app.add_option("--size", plan.bytes, "bytes in a message").in_range(1, 1 << 23).default_shown();
    app.add_option("--messages", plan.messages, "how many").in_range(1, 1 << 30).default_shown();
    app.add_option("--signal-every", plan.signal_every, "sends for a completion").in_range(1, 128).default_shown();
    app.add_flag("--events", plan.events, "sleep until there are completions, instead of polling");
    if (const auto status = app.parse(argc, argv)) return *status;

    return measure::run_two([&](int side, int fd) { return run(plan, side, fd); });
}
