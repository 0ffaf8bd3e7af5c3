// SPDX-License-Identifier: Apache-2.0
#include <pktverbs/recv_list.hpp>

#include <ranges>
#include <utility>

#include "context/queue_state.hpp"

namespace pktverbs {

static_assert(std::ranges::forward_range<RecvList>);

std::string_view to_string(Outcome outcome) noexcept {
    switch (outcome) {
        case Outcome::packets:
            return "packets";
        case Outcome::no_receive_side:
            return "no receive side";
        case Outcome::timeout:
            return "timeout";
        case Outcome::stopped:
            return "stopped";
        case Outcome::queue_error:
            return "queue error";
        case Outcome::device_error:
            return "device error";
    }
    return "unknown";
}

std::size_t RecvList::release() noexcept {
    if (!head_) return 0;
    RecvPkt* const first = std::exchange(head_, nullptr);
    RecvSide& side = QueueState::of(*queue_).recv_side;
    return side.give_back(first, std::exchange(tail_, nullptr), std::exchange(size_, 0));
}

}  // namespace pktverbs
