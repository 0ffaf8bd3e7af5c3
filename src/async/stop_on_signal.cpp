// SPDX-License-Identifier: Apache-2.0
#include <pktverbs/async/stop_on_signal.hpp>

#include <fmt/core.h>
#include <poll.h>
#include <pthread.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <string_view>
#include <thread>

#include <pktverbs/verbs/error.hpp>

#include "base/blocked_signals.hpp"
#include "base/event_fd.hpp"
#include "base/file_descriptor.hpp"

namespace pktverbs {

namespace {

constexpr std::chrono::milliseconds one_request{500};

sigset_t signal_set(std::initializer_list<int> caught) {
    sigset_t set;
    sigemptyset(&set);
    for (const int signal : caught)
        // sigprocmask(2): blocking SIGKILL or SIGSTOP is silently ignored.
        if (signal == SIGKILL || signal == SIGSTOP || sigaddset(&set, signal) != 0)
            verbs::throw_message(EINVAL, fmt::format("cannot stop on signal {}: it cannot be blocked", signal));
    return set;
}

[[noreturn]] void throw_no_descriptor(std::string_view what) {
    verbs::throw_error(errno, what, "raise the limit on open files: ulimit -n");
}

}  // namespace

struct StopOnSignal::State {
    explicit State(std::initializer_list<int> which) : signals{signal_set(which)} {
        if (!arrived) throw_no_descriptor("make a descriptor of signals");
        if (!end) throw_no_descriptor("make an event descriptor");
        const BlockedSignals blocked_here;
        waiter = std::thread{[this] { wait(); }};
    }
    ~State() {
        end.set();
        waiter.join();
        // The second signal of two that count as one request.
        if (source.stop_requested()) take();
    }

    void wait() {
        if (!wait_until_readable(std::chrono::milliseconds{-1})) return;
        take();
        source.request_stop();
        const auto over = std::chrono::steady_clock::now() + one_request;
        for (auto left = over - std::chrono::steady_clock::now(); left > left.zero();
             left = over - std::chrono::steady_clock::now()) {
            if (wait_until_readable(std::chrono::ceil<std::chrono::milliseconds>(left))) take();
            if (is_ending()) return;
        }
        pthread_sigmask(SIG_UNBLOCK, &signals, nullptr);
        pollfd event{.fd = end.get(), .events = POLLIN, .revents = 0};
        while (poll(&event, 1, -1) < 0) continue;
    }
    /// Returns false if the object ends or the time is over.
    bool wait_until_readable(std::chrono::milliseconds timeout) const noexcept {
        pollfd events[]{{.fd = arrived.get(), .events = POLLIN, .revents = 0},
                        {.fd = end.get(), .events = POLLIN, .revents = 0}};
        int ready = 0;
        do ready = poll(events, 2, static_cast<int>(timeout.count()));
        while (ready < 0 && errno == EINTR);
        return ready > 0 && events[0].revents != 0;
    }
    bool is_ending() const noexcept {
        pollfd event{.fd = end.get(), .events = POLLIN, .revents = 0};
        return poll(&event, 1, 0) > 0;
    }
    /// Reads all pending signals.
    void take() const noexcept {
        signalfd_siginfo signal;
        while (read(arrived.get(), &signal, sizeof signal) > 0) continue;
    }

    sigset_t signals;
    FileDescriptor arrived{signalfd(-1, &signals, SFD_NONBLOCK | SFD_CLOEXEC)};
    EventFd end;
    BlockedSignals blocked{signals};
    std::stop_source source;
    std::thread waiter;
};

StopOnSignal::StopOnSignal(std::initializer_list<int> caught) : state_{std::make_unique<State>(caught)} {}

StopOnSignal::~StopOnSignal() = default;

std::stop_token StopOnSignal::token() const noexcept { return state_->source.get_token(); }

}  // namespace pktverbs
