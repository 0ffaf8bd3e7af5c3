// SPDX-License-Identifier: Apache-2.0
// ReceiveThread: the producer of a ring, which receives from a device until a stop is requested, or it has enough.
#pragma once

#include <cstdint>
#include <stop_token>
#include <thread>
#include <vector>

#include <pktverbs/context.hpp>
#include <pktverbs/flow.hpp>
#include <pktverbs/ring/ring_receiver.hpp>

namespace capture {

class ReceiveThread {
public:
    /// Receives what `flows` bring, at least `count` packets. Requests the stop itself when it has enough, or when the
    /// device fails. At the end it removes the flows, takes what they have brought, and hands over all of it.
    ReceiveThread(const pktverbs::Context& ctx, pktverbs::RingReceiver& receiver, std::vector<pktverbs::Flow> flows,
                  std::uint64_t count, std::stop_source stop);

    std::thread::native_handle_type handle() { return thread_.native_handle(); }
    /// To be joined after a stop was requested. How receiving ended: queue_error and device_error are failures.
    pktverbs::Outcome join();

private:
    void run();
    void take_the_rest();
    bool holds_packets() const;

    const pktverbs::Context& ctx_;
    pktverbs::RingReceiver& receiver_;
    std::vector<pktverbs::Flow> flows_;
    std::uint64_t count_;
    std::stop_source stop_;
    pktverbs::Outcome outcome_ = pktverbs::Outcome::timeout;
    std::jthread thread_;
};

}  // namespace capture
