// SPDX-License-Identifier: Apache-2.0
#include <pktverbs/async/work.hpp>

#include <pktverbs/async/executor.hpp>

#include "async/executor_state.hpp"

namespace pktverbs::async {

Work::Work(Executor& executor) noexcept : executor_{&executor} { ++executor_->state_->works; }
Work::~Work() { --executor_->state_->works; }

}  // namespace pktverbs::async
