// SPDX-License-Identifier: Apache-2.0
#include "receive_thread.hpp"

#include <chrono>
#include <numeric>
#include <utility>

namespace capture {

namespace {

bool has_failed(pktverbs::Outcome outcome) {
    return outcome == pktverbs::Outcome::queue_error || outcome == pktverbs::Outcome::device_error;
}

}  // namespace

ReceiveThread::ReceiveThread(const pktverbs::Context& ctx, pktverbs::RingReceiver& receiver,
                             std::vector<pktverbs::Flow> flows, std::uint64_t count, std::stop_source stop)
    : ctx_{ctx}, receiver_{receiver}, flows_{std::move(flows)}, count_{count}, stop_{std::move(stop)}, thread_{[this] {
          run();
      }} {}

pktverbs::Outcome ReceiveThread::join() {
    thread_.join();
    return outcome_;
}

void ReceiveThread::run() {
    // What came long ago is to be handed over, also when nothing follows it.
    constexpr std::chrono::milliseconds longest_wait{100};
    const auto stop = stop_.get_token();
    while (!stop.stop_requested()) {
        outcome_ = receiver_.step(longest_wait, stop);
        if (has_failed(outcome_) || receiver_.stats().packets() >= count_) stop_.request_stop();
    }
    flows_.clear();
    take_the_rest();
}

/// What the flows have brought, and what is held back until the disk makes room.
void ReceiveThread::take_the_rest() {
    constexpr std::chrono::milliseconds a_moment{1};
    bool is_all_handed_over = false;
    while (!is_all_handed_over) {
        if (!has_failed(outcome_)) outcome_ = receiver_.step(std::chrono::nanoseconds{0});
        if (outcome_ == pktverbs::Outcome::packets) continue;
        is_all_handed_over = !holds_packets() && receiver_.flush();
        if (!is_all_handed_over && !has_failed(outcome_)) outcome_ = receiver_.step(a_moment);
    }
}

/// Whether the queue gave the receiver more than it has counted.
bool ReceiveThread::holds_packets() const {
    if (has_failed(outcome_)) return false;
    const auto queue = ctx_.stats();
    // But those that were flushed when a queue failed: nothing had arrived in them.
    const auto given = std::reduce(queue.recv_errors.begin(), queue.recv_errors.end(), queue.recv_packets) -
                       queue.recv_errors[IBV_WC_WR_FLUSH_ERR];
    return given != receiver_.stats().packets();
}

}  // namespace capture
