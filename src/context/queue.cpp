// SPDX-License-Identifier: Apache-2.0
#include <pktverbs/queue.hpp>

#include "context/queue_state.hpp"

namespace pktverbs {

RecvList Queue::recv(std::chrono::nanoseconds timeout, std::stop_token stop) noexcept {
    return QueueState::of(*this).receiver->recv(timeout, stop);
}
int Queue::fd() const noexcept { return QueueState::of(*this).receiver->fd(); }
bool Queue::arm() noexcept { return QueueState::of(*this).receiver->arm(); }
void Queue::drain() noexcept { QueueState::of(*this).receiver->drain(); }

SendList Queue::acquire(std::size_t count) noexcept { return QueueState::of(*this).send_side.acquire(count); }
SendList Queue::acquire(std::size_t count, std::chrono::nanoseconds timeout, std::stop_token stop) noexcept {
    return QueueState::of(*this).send_side.acquire(count, timeout, stop);
}
SendList Queue::send(SendList packets) noexcept {
    QueueState::of(*this).send_side.send(packets);
    return packets;
}
bool Queue::flush(std::chrono::nanoseconds timeout, std::stop_token stop) noexcept {
    return QueueState::of(*this).send_side.flush(timeout, stop);
}
int Queue::send_fd() const noexcept { return QueueState::of(*this).send_side.fd(); }
bool Queue::arm_send() noexcept { return QueueState::of(*this).send_side.arm(); }
void Queue::drain_send() noexcept { QueueState::of(*this).send_side.drain(); }

bool Queue::in_error() const noexcept { return QueueState::of(*this).status.in_error; }
int Queue::error() const noexcept {
    const QueueState& state = QueueState::of(*this);
    const int receiving = state.recv_side.completions().error();
    return receiving != 0 ? receiving : state.send_side.completions().error();
}
void Queue::recover() { QueueState::of(*this).recover(); }

Stats Queue::stats() const noexcept {
    Stats stats;
    QueueState::of(*this).recv_side.read(stats);
    QueueState::of(*this).send_side.read(stats);
    return stats;
}
const Limits& Queue::limits() const noexcept { return QueueState::of(*this).limits; }

ibv_qp* Queue::raw() noexcept { return QueueState::of(*this).qp(); }
ibv_wq* Queue::raw_wq() noexcept { return QueueState::of(*this).wq(); }
ibv_cq* Queue::raw_recv_cq() noexcept { return QueueState::of(*this).recv_side.completions().queue(); }
ibv_cq* Queue::raw_send_cq() noexcept { return QueueState::of(*this).send_side.completions().queue(); }

}  // namespace pktverbs
