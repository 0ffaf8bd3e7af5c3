// SPDX-License-Identifier: Apache-2.0
// Task: the same as async::Task, spawned on an EventLoop.
#pragma once

#include <pktverbs/async/task.hpp>

namespace pktverbs::messages {

using async::Task;

}  // namespace pktverbs::messages
