// SPDX-License-Identifier: Apache-2.0
#include <pktverbs/async/hook.hpp>

#include <pktverbs/async/executor.hpp>
#include <pktverbs/verbs/error.hpp>

#include "async/executor_state.hpp"

namespace pktverbs::async {

Hook::Hook(Executor& executor, Call call) : executor_{&executor}, call_{call} {
    Timers made;
    made.emplace(Timers::key_type{}, this);
    node_ = made.extract(made.begin());
}

void Hook::watch(int fd) {
    cancel();
    if (const int error = executor_->state_->watch(*this, fd); error != 0) throw_unwatched(error);
}

void Hook::call_after(std::chrono::nanoseconds time) noexcept { executor_->state_->call_after(*this, time); }
void Hook::call_soon() noexcept { executor_->state_->call_soon(*this); }

void Hook::cancel() noexcept {
    if (is_timed_ || is_due_ || watched_fd_ >= 0) executor_->state_->forget(*this);
}

}  // namespace pktverbs::async
