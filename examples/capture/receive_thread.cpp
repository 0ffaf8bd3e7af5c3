// SPDX-License-Identifier: Apache-2.0
#include "receive_thread.hpp"

#include <chrono>
#include <utility>

namespace capture {

namespace {

bool has_failed(pktverbs::Outcome outcome) {
    return outcome == pktverbs::Outcome::queue_error || outcome == pktverbs::Outcome::device_error;
}

}  // namespace

ReceiveThread::ReceiveThread(pktverbs::RingReceiver& receiver, std::vector<pktverbs::Flow> flows, std::uint64_t count,
                             std::stop_source stop)
    : receiver_{receiver}, flows_{std::move(flows)}, count_{count}, stop_{std::move(stop)}, thread_{[this] {
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
    while (!has_failed(outcome_)) {
        outcome_ = receiver_.step(std::chrono::nanoseconds{0});
        if (outcome_ != pktverbs::Outcome::packets) break;
    }
    // The consumer makes room for what is held back.
    while (!receiver_.flush()) outcome_ = receiver_.step(std::chrono::milliseconds{1});
}

}  // namespace capture
