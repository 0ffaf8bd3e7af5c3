// SPDX-License-Identifier: Apache-2.0
#include <pktverbs/queue.hpp>

#include <fmt/core.h>

#include <cerrno>
#include <chrono>
#include <memory>

#include "base/deadline.hpp"
#include "context/core.hpp"
#include "context/queue_state.hpp"

namespace pktverbs {

Queue::Queue(std::unique_ptr<State> state) noexcept : state_{std::move(state)} {}
Queue::~Queue() = default;

bool Queue::in_error() const noexcept { return state_->in_error; }
int Queue::error() const noexcept { return state_->error != 0 ? state_->error : state_->send_error; }
const Limits& Queue::limits() const noexcept { return state_->limits; }
ibv_qp* Queue::raw() noexcept { return state_->qp.get(); }
ibv_wq* Queue::raw_wq() noexcept { return state_->wq.get(); }
ibv_cq* Queue::raw_recv_cq() noexcept { return state_->recv_cq.get(); }
ibv_cq* Queue::raw_send_cq() noexcept { return state_->send_cq.get(); }

void Queue::State::step(ibv_qp_state to, int with, std::string_view what) {
    ibv_qp_attr attr{};
    attr.qp_state = to;
    attr.port_num = core.device.port;
    attr.qkey = qkey;
    verbs::check_result(core.action("modify_qp", what),
                        [&] { return core.device.provider->modify_qp(qp.get(), &attr, IBV_QP_STATE | with); });
}

void Queue::State::step(ibv_wq_state to, std::string_view what) {
    ibv_wq_attr attr{};
    attr.attr_mask = IBV_WQ_ATTR_STATE;
    attr.wq_state = to;
    verbs::check_result(core.action("modify_wq", what),
                        [&] { return core.device.provider->modify_wq(wq.get(), &attr); });
}

void Queue::start() {
    State& state = *state_;
    const bool datagram = state.is_datagram();
    if (state.wq) state.step(IBV_WQS_RDY, "bring a work queue to RDY");
    if (state.qp) {
        state.step(IBV_QPS_INIT, datagram ? IBV_QP_PORT | IBV_QP_PKEY_INDEX | IBV_QP_QKEY : IBV_QP_PORT,
                   "bring a queue pair to INIT");
        state.step(IBV_QPS_RTR, 0, "bring a queue pair to RTR");
        if (state.limits.send_packets != 0)
            state.step(IBV_QPS_RTS, datagram ? IBV_QP_SQ_PSN : 0, "bring a queue pair to RTS");
    }

    const auto [posted, offered] = post_parked();
    if (posted != offered)
        verbs::throw_error(
            state.post_error.load(),
            state.core.action("post_recv", fmt::format("post {} of {} receive packets", offered - posted, offered)));
}

ibv_qp_state Queue::State::qp_state() {
    ibv_qp_attr now{};
    ibv_qp_init_attr made{};
    verbs::check_result(core.action("query_qp", "query a queue pair"),
                        [&] { return core.device.provider->query_qp(qp.get(), &now, IBV_QP_STATE, &made); });
    return now.qp_state;
}

void Queue::recover() {
    State& state = *state_;
    const SideGuard receiving{state.recv_side};
    const SideGuard sending{state.send_side};
    // Sequentially consistent, as in shut(): whoever gives packets back either sees this, or is waited for.
    const auto post_again = [](State* of) {
        of->recovering.store(false);
        of->wait_for_givers();
    };
    state.recovering.store(true);
    std::unique_ptr<State, decltype(post_again)> recovering{&state, post_again};
    state.wait_for_givers();
    // From RESET, where an earlier try can have ended, there is no step to ERR, and nothing to collect.
    const bool stops_wq = state.wq && state.wq->state != IBV_WQS_RESET;
    const bool stops_qp = state.qp && state.qp_state() != IBV_QPS_RESET;
    if (stops_wq) state.step(IBV_WQS_ERR, "bring a work queue to ERR");
    if (stops_qp) state.step(IBV_QPS_ERR, 0, "bring a queue pair to ERR");
    if (stops_wq || stops_qp) {
        state.in_error = true;  // until all is done: a receiver must not wait for a queue pair that does not receive
        collect();
    }
    if (stops_wq) state.step(IBV_WQS_RESET, "reset a work queue");
    if (stops_qp) state.step(IBV_QPS_RESET, 0, "reset a queue pair");
    if (state.newest_in_flight) retire(*state.newest_in_flight, true);  // sent, but not to be told of
    state.send_offloads.free_until(state.send_offloads.used());
    start();
    state.in_error = false;
    state.error = 0;
    state.send_error = 0;
    recovering.reset();
    post_parked();  // what came back meanwhile
}

/// Everything posted completes now, as flushed if nothing else. Frames that had come whole are kept for recv.
void Queue::collect() {
    State& state = *state_;
    for (const Deadline deadline{std::chrono::seconds{1}};;) {
        state.saved.append(poll_recv(state.limits.recv_packets));
        reclaim();
        if (state.posted == 0 && !completion_due()) return;
        if (deadline.passed()) verbs::throw_error(ETIMEDOUT, state.core.action("poll_cq", "flush a queue pair"));
    }
}

Stats Queue::stats() const noexcept {
    const State& state = *state_;
    Stats stats;
    stats.recv_packets = state.packets_received.value();
    stats.recv_bytes = state.bytes_received.value();
    stats.sent_packets = state.packets_sent.value();
    stats.sent_bytes = state.bytes_sent.value();
    for (std::size_t i = 0; i < stats.recv_errors.size(); ++i) {
        stats.recv_errors[i] = state.recv_errors[i].value();
        stats.send_errors[i] = state.send_errors[i].value();
    }
    stats.empty_wakeups = state.empty_wakeups.value();
    stats.starvations = state.starvations.value();
    stats.refused_posts = state.refused_receives + state.refused_sends.value();
    stats.largest_batch = static_cast<std::uint32_t>(state.largest_batch.value());
    stats.posted_now = state.posted;
    stats.in_flight = state.in_flight;
    return stats;
}

}  // namespace pktverbs
