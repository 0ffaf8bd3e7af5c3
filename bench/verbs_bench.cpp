// SPDX-License-Identifier: Apache-2.0
// verbs_bench: messages over a reliable connection between two processes, by the verbs layer; measured as perftest's
// ib_send_bw and ib_send_lat do it, to be compared with them.
#include <fmt/format.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <CLI/CLI.hpp>
#include <cstdint>
#include <exception>
#include <stdexcept>
#include <string>
#include <system_error>
#include <vector>

#include <pktverbs/verbs/queue_pair.hpp>

namespace {

using namespace pktverbs::verbs;
using Clock = std::chrono::steady_clock;

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

    /// Through a socket to the other process: who is where.
    void connect(int fd) {
        const auto own = qp_.endpoint().to_bytes();
        std::array<std::uint8_t, Endpoint::wire_bytes> theirs{};
        if (write(fd, own.data(), own.size()) != static_cast<ssize_t>(own.size()) ||
            recv(fd, theirs.data(), theirs.size(), MSG_WAITALL) != static_cast<ssize_t>(theirs.size()))
            throw std::runtime_error{"the other process has ended"};
        qp_.connect(Endpoint::from_bytes(theirs).value());
        char ready = 0;
        if (write(fd, &ready, 1) != 1 || recv(fd, &ready, 1, MSG_WAITALL) != 1)
            throw std::runtime_error{"the other process has ended"};
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

/// The processor's counter, as perftest reads it: the system's clock is slow to read in an emulated machine.
std::uint64_t ticks() {
#ifdef __x86_64__
    return __builtin_ia32_rdtsc();
#else
    return static_cast<std::uint64_t>(Clock::now().time_since_epoch().count());
#endif
}

double cpu_seconds() {
    rusage usage{};
    getrusage(RUSAGE_SELF, &usage);
    const auto seconds = [](const timeval& time) {
        return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
    };
    return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

void stream(End& end, const Plan& plan) {
    const auto start = Clock::now();
    const double cpu = cpu_seconds();
    for (std::uint64_t sent = 0, done = 0; done < plan.messages;) {
        while (sent < plan.messages && sent - done < plan.send_depth) {
            ++sent;
            end.send(sent % plan.signal_every == 0 || sent == plan.messages);
        }
        for (auto completions = end.wait_sent(); completions > 0; --completions)
            done = std::min(done + plan.signal_every, plan.messages);
    }
    const std::chrono::duration<double> seconds = Clock::now() - start;
    const double rate = static_cast<double>(plan.messages) / seconds.count();
    fmt::print("bandwidth {} bytes: {:.0f} messages/s, {:.2f} MiB/s, cpu_share {:.2f}\n", plan.bytes, rate,
               rate * plan.bytes / (1 << 20), (cpu_seconds() - cpu) / seconds.count());
}

void sink(End& end, const Plan& plan) {
    for (std::uint64_t received = 0; received < plan.messages;) {
        const std::size_t got = end.wait_received();
        for (std::size_t i = 0; i < got; ++i) end.receive();
        received += got;
    }
}

void ping(End& end, const Plan& plan) {
    std::vector<std::uint64_t> turns;
    turns.reserve(plan.messages);
    const double cpu = cpu_seconds();
    const auto start = Clock::now();
    const std::uint64_t first = ticks();
    std::uint64_t last = first;
    for (std::uint64_t i = 0; i < plan.messages; ++i) {
        end.send(true);
        end.wait_received();
        end.receive();
        end.wait_sent();
        const std::uint64_t now = ticks();
        turns.push_back(now - last);
        last = now;
    }
    const double seconds = std::chrono::duration<double>{Clock::now() - start}.count();
    const double half_us = seconds * 1e6 / static_cast<double>(last - first) / 2;
    std::ranges::sort(turns);
    const auto at = [&](std::size_t percent) {
        return static_cast<double>(turns[turns.size() * percent / 100]) * half_us;
    };
    fmt::print("latency {} bytes: median {:.2f} us, mean {:.2f} us, 99% {:.2f} us, cpu_share {:.2f}\n", plan.bytes,
               at(50), seconds * 1e6 / 2 / static_cast<double>(plan.messages), at(99), (cpu_seconds() - cpu) / seconds);
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
    char done = 0;  // neither takes its queue pair away before the other is done
    return write(fd, &done, 1) == 1 && recv(fd, &done, 1, MSG_WAITALL) == 1 ? 0 : 1;
} catch (const std::exception& error) {
    fmt::print(stderr, "verbs_bench: {}\n", error.what());
    return 1;
}

}  // namespace

int main(int argc, char** argv) {
    Plan plan;
    CLI::App app{"Message rate or latency between two RDMA devices, over a reliable connection."};
    app.add_option("mode", plan.mode, "bandwidth or latency")
        ->required()
        ->check(CLI::IsMember({"bandwidth", "latency"}));
    app.add_option("--devices", plan.devices, "two verbs devices, or twice the same")
        ->expected(2)
        ->capture_default_str();
    app.add_option("--size", plan.bytes, "bytes in a message")->check(CLI::Range(1, 1 << 23))->capture_default_str();
    app.add_option("--messages", plan.messages, "how many")->check(CLI::Range(1, 1 << 30))->capture_default_str();
    app.add_option("--signal-every", plan.signal_every, "sends for a completion")
        ->check(CLI::Range(1, 128))
        ->capture_default_str();
    app.add_flag("--events", plan.events, "sleep until there are completions, instead of polling");
    CLI11_PARSE(app, argc, argv);

    int fds[2];
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, fds) != 0) return perror("socketpair"), 1;
    const pid_t child = fork();
    if (child < 0) return perror("fork"), 1;
    close(fds[child == 0 ? 0 : 1]);
    const int result = run(plan, child == 0 ? 1 : 0, fds[child == 0 ? 1 : 0]);
    if (child == 0) return result;
    close(fds[0]);
    int status = 0;
    waitpid(child, &status, 0);
    return result != 0 || !WIFEXITED(status) ? 1 : WEXITSTATUS(status);
}
