// SPDX-License-Identifier: Apache-2.0
#include <pktverbs/send_list.hpp>

#include <ranges>
#include <utility>

#include "context/queue_state.hpp"

namespace pktverbs {

static_assert(std::ranges::forward_range<SendList>);

void SendList::cancel() noexcept {
    if (!head_) return;
    SendPkt* const first = std::exchange(head_, nullptr);
    QueueState::of(*queue_).send_side.cancel(first, std::exchange(tail_, nullptr), std::exchange(size_, 0));
}

}  // namespace pktverbs
