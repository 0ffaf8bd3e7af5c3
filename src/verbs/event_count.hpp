// SPDX-License-Identifier: Apache-2.0
// EventCount: the events of a completion queue that were read and not yet acknowledged.
#pragma once

#include <infiniband/verbs.h>

#include <cstdint>
#include <utility>

#include <pktverbs/verbs/provider.hpp>

namespace pktverbs::verbs {

/// Destroying a completion queue waits until its events are acknowledged. Acknowledging takes a lock, so it is done for
/// many at once (ibv_get_cq_event(3)).
class EventCount {
public:
    void add(const Provider& provider, ibv_cq* queue) noexcept {
        constexpr std::uint32_t batch = 64;
        if (++count_ >= batch) acknowledge(provider, queue);
    }
    void acknowledge(const Provider& provider, ibv_cq* queue) noexcept {
        if (count_ != 0) provider.ack_cq_events(queue, std::exchange(count_, 0U));
    }

private:
    std::uint32_t count_ = 0;
};

}  // namespace pktverbs::verbs
