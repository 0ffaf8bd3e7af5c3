// SPDX-License-Identifier: Apache-2.0
#include "context/return_gate.hpp"

#include <thread>

#include "context/core.hpp"

namespace pktverbs {

void ReturnGate::Visit::count_late(std::uint32_t packets) noexcept {
    Core& core = gate_.core_;
    leave();  // before the gate itself may be deleted
    core.packets_returned(packets);
}

void ReturnGate::close() noexcept {
    closed_.store(true);
    wait();
}

void ReturnGate::wait() const noexcept {
    while (visitors_.load() != 0) std::this_thread::yield();
}

}  // namespace pktverbs
