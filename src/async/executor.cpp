// SPDX-License-Identifier: Apache-2.0
#include <pktverbs/async/executor.hpp>

#include <utility>

#include "async/executor_state.hpp"
#include "base/deadline.hpp"

namespace pktverbs::async {

namespace {

/// Marks the time inside run() and step(), when new work need not wake the executor. At the end, remaining work makes
/// fd() readable, for another loop that waits for it; also when something throws.
template <class State>
class Running {
public:
    explicit Running(State& state) noexcept : state_{state} { state_.is_running = true; }
    Running(const Running&) = delete;
    Running& operator=(const Running&) = delete;
    ~Running() {
        state_.is_running = false;
        state_.turns_left = State::turns;
        if (state_.has_work()) state_.wake();
    }

private:
    State& state_;
};

}  // namespace

Executor::Executor() : state_{std::make_unique<State>()} { state_->executor = this; }
Executor::~Executor() { state_->close(); }

void Executor::spawn(Task<> task) { state_->spawn(std::move(task)); }
void Executor::post(std::function<void()> call) { state_->post(std::move(call)); }
void Executor::wake() noexcept { state_->wake(); }
void Executor::resume_soon(Waiter& waiter) noexcept { state_->resume_soon(waiter); }
int Executor::fd() const noexcept { return state_->epoll.get(); }

bool Executor::run(std::stop_token stop) { return run_for(std::chrono::nanoseconds::max(), std::move(stop)); }

bool Executor::run_for(std::chrono::nanoseconds timeout, std::stop_token stop) {
    State& state = *state_;
    const Running running{state};
    const std::stop_callback waker{stop, [&state] { state.wake(); }};
    const Deadline deadline{timeout};
    do {
        state.step(state.is_idle() ? std::chrono::nanoseconds::zero() : deadline.left());
        if (state.is_idle()) return true;
    } while (!stop.stop_requested() && !deadline.passed());
    return false;
}

bool Executor::step(std::chrono::nanoseconds timeout) {
    const Running running{*state_};
    return state_->step(timeout);
}

}  // namespace pktverbs::async
