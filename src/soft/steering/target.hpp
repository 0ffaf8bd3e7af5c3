// SPDX-License-Identifier: Apache-2.0
// Target: who gets a frame.
#pragma once

#include <cstdint>

namespace pktverbs::soft {

class QueuePair;

/// A queue pair that gets a frame, and the tag in its completion.
struct Target {
    QueuePair* queue_pair;
    std::uint32_t tag;
};

}  // namespace pktverbs::soft
