// SPDX-License-Identifier: Apache-2.0
#include <pktverbs/async/operation.hpp>

#include <cerrno>

#include <pktverbs/verbs/error.hpp>

#include "async/executor_state.hpp"

namespace pktverbs::async {

Operation::~Operation() {
    if (is_suspended_ || is_due_) executor_->state_->forget(*this);
}

void Operation::Wake::operator()() const noexcept { executor->wake(); }

bool Operation::suspend(Executor* executor) {
    if (!executor)
        verbs::throw_error(EINVAL, "wait in this coroutine",
                           "it has no executor: spawn its Task on one, or pass one in the call");
    executor_ = executor;
    Executor::State& state = *executor->state_;
    if (state.is_closing) {
        attempt(Cause::stopped);
        return false;
    }
    if (state.turns_left != 0) {
        --state.turns_left;
        return !state.begin(*this);
    }
    state.make_due(*this, Cause::start);
    return true;
}

void Operation::check() const {
    if (error_ == 0) [[likely]]
        return;
    throw_unwatched(error_);
}

}  // namespace pktverbs::async
