// SPDX-License-Identifier: Apache-2.0
// StopOnSignal: turns Ctrl-C into a stop token.
#pragma once

#include <csignal>

#include <pthread.h>

#include <atomic>
#include <stop_token>
#include <thread>

namespace example {

/// SIGINT and SIGTERM request a stop, as often as they come. Make it before any other thread: the signals are
/// blocked in all threads and taken by one that waits for them, because a signal handler may not
/// touch a stop_source.
class StopOnSignal {
public:
    StopOnSignal() {
        sigemptyset(&signals_);
        sigaddset(&signals_, SIGINT);
        sigaddset(&signals_, SIGTERM);
        pthread_sigmask(SIG_BLOCK, &signals_, &old_mask_);
        waiter_ = std::thread{[this] { wait(); }};
    }
    StopOnSignal(const StopOnSignal&) = delete;
    StopOnSignal& operator=(const StopOnSignal&) = delete;
    ~StopOnSignal() {
        ending_ = true;
        pthread_kill(waiter_.native_handle(), SIGTERM);
        waiter_.join();
        pthread_sigmask(SIG_SETMASK, &old_mask_, nullptr);
    }

    std::stop_token token() const { return source_.get_token(); }

private:
    void wait() {
        for (int signal = 0; sigwait(&signals_, &signal) == 0 && !ending_;) source_.request_stop();
    }

    sigset_t signals_{};
    sigset_t old_mask_{};
    std::stop_source source_;
    std::atomic<bool> ending_ = false;
    std::thread waiter_;
};

}  // namespace example
