// SPDX-License-Identifier: Apache-2.0
// QueueStatus: what both sides of a queue go by.
#pragma once

#include <atomic>

#include "context/return_gate.hpp"

namespace pktverbs {

struct QueueStatus {
    explicit QueueStatus(Core& core) noexcept : returns{core} {}

    std::atomic<bool> in_error{false};  ///< the queue pair neither receives nor sends
    ReturnGate returns;
};

}  // namespace pktverbs
