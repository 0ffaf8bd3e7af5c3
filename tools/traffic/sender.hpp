// SPDX-License-Identifier: Apache-2.0
// Sender: sends numbered packets of several flows in turn.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <limits>
#include <optional>
#include <stop_token>
#include <vector>

#include <pktverbs/context.hpp>
#include <pktverbs/net/checksum.hpp>
#include <pktverbs/queue.hpp>
#include <pktverbs/time/pacer.hpp>
#include <pktverbs/time/rate.hpp>
#include "traffic/payload.hpp"
#include "traffic/send_report.hpp"
#include "traffic/stream.hpp"

namespace tool {

/// How much to send, and how fast.
struct SendPlan {
    std::optional<pktverbs::Rate> rate = {};     ///< none: as fast as it goes
    std::optional<pktverbs::Rate> ramp_to = {};  ///< from `rate` to this one, evenly over `time`
    std::uint64_t count = std::numeric_limits<std::uint64_t>::max();
    std::chrono::nanoseconds time = pktverbs::no_timeout;
    std::size_t batch = 32;
};

/// Sends in the calling thread, and owns its queue's send side; the context must outlive it.
///
/// Packet n belongs to flow n % F, and is number n / F of it: what was sent of each flow follows from one count.
class Sender {
public:
    /// All streams need as many lengths as each other. Numbers begin with `first_number`. No packet of the queue may be
    /// in flight.
    Sender(pktverbs::Context& ctx, std::size_t queue, std::vector<Stream> streams, Payload payload,
           std::uint64_t first_number = 0);

    /// Ends at the end of the load, on a stop, and when the device refuses a packet.
    SendReport run(const SendPlan& plan, const std::stop_token& stop);

    /// Packets that were handed to the device so far. Any thread.
    std::uint64_t packets() const noexcept { return sent_.load(std::memory_order_relaxed); }
    /// The bytes of the frames of so many packets. Any thread.
    std::uint64_t bytes_of(std::uint64_t packets) const noexcept;

    struct FlowCount {
        const Stream* stream;
        std::uint64_t packets, bytes;
    };
    std::vector<FlowCount> flows() const;

private:
    using Clock = std::chrono::steady_clock;
    struct Step {
        std::uint32_t stream;
        std::uint32_t payload_bytes, frame_bytes;
        pktverbs::net::InternetSum sum;  ///< of the payload behind the number
    };

    /// How much so many packets count for a rate.
    double weight_of(const pktverbs::Rate& rate, std::uint64_t packets) const noexcept;
    void go_to(std::uint64_t packets) noexcept;
    void fill(pktverbs::SendList& packets) noexcept;
    void send(std::size_t max, std::chrono::nanoseconds left, const std::stop_token& stop);
    void note_pacer();

    pktverbs::Queue& queue_;
    std::vector<Stream> streams_;
    Payload payload_;
    std::uint64_t first_number_;
    std::vector<Step> steps_;                 ///< a whole turn of flows and lengths
    std::vector<std::uint64_t> bytes_until_;  ///< each step: bytes of those before it, and of all at the end
    bool is_uniform_ = false;                 ///< all frames are alike, but for the number
    bool copies_payload_ = false;

    std::atomic<std::uint64_t> sent_ = 0;
    std::uint64_t number_ = 0;
    std::size_t stream_ = 0, step_ = 0;  ///< of the next packet

    std::optional<pktverbs::Pacer> pacer_;
    std::optional<pktverbs::Rate> next_rate_;  ///< of a ramp's next step
    std::chrono::nanoseconds forgiven_{0};
    Clock::duration blocked_{0};
    SendReport report_;
};

}  // namespace tool
