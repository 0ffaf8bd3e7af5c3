// SPDX-License-Identifier: Apache-2.0
// Port: a device of the bridge, with what became of its frames.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include <pktverbs/context.hpp>

namespace tool {

/// Receives and sends in memory that all ports share, so that a frame is sent from where it was received.
class Port {
public:
    /// How the memory of a bridge is divided: each port has `packets` to receive into, and as many to send.
    struct Memory {
        std::span<std::uint8_t> all;
        std::size_t frame_bytes = 0;
        std::uint32_t packets = 0;

        std::size_t bytes_of_port() const noexcept { return 2 * packets * frame_bytes; }
    };

    /// What came in, by what was done with it: received = forwarded + flooded + filtered + bad.
    struct In {
        std::uint64_t received = 0, bytes = 0;
        std::uint64_t forwarded = 0;  ///< to one other port
        std::uint64_t flooded = 0;    ///< to all others
        std::uint64_t filtered = 0;   ///< for nobody: their station is behind the same port, or for bridges alone
        std::uint64_t bad = 0;        ///< failed completions
    };
    /// What was to go out: offered = sent + failed + in flight + too_long + no_room + refused.
    struct Out {
        std::uint64_t offered = 0;
        std::uint64_t too_long = 0;  ///< for the port's MTU
        std::uint64_t no_room = 0;   ///< all packets were in flight
        std::uint64_t refused = 0;   ///< by the device
    };
    /// A reason for which frames were lost, and how many.
    using Loss = std::pair<std::string, std::uint64_t>;

    Port(const pktverbs::Device& device, const Memory& memory, std::size_t index);

    pktverbs::Context& ctx() noexcept { return ctx_; }
    const std::string& name() const noexcept { return ctx_.device().name; }
    In& in() noexcept { return in_; }
    const In& in() const noexcept { return in_; }
    const Out& out() const noexcept { return out_; }

    /// Prepares for the frames of one batch, of which up to `count` may be sent here; waits up to `hold` for room.
    void begin(std::size_t count, std::chrono::nanoseconds hold, const std::stop_token& stop);
    /// Puts a received frame into the batch: without a copy, by exchanging its memory with that of a free packet.
    void take(pktverbs::RecvPkt& pkt, Port& from);
    /// The same for a copy.
    void copy(const pktverbs::RecvPkt& pkt);
    /// Sends the batch.
    void send();

    /// Reads the MTU again, which may have changed.
    void look_at_mtu() noexcept;
    /// The frames that were sent without error and did not get lost by the link, and all losses, those of 0 too.
    struct Report {
        std::uint64_t sent = 0, in_flight = 0;
        std::uint64_t impaired = 0;  ///< lost on purpose: by the device's own keys
        std::vector<Loss> losses;

        std::uint64_t lost() const noexcept;
    };
    Report report();

private:
    bool is_impaired() noexcept;
    /// Lost on purpose so far. Throws std::system_error if nothing is lost on purpose here.
    std::uint64_t impaired_frames();
    /// The packet for a frame; empty if it is lost.
    pktverbs::SendList packet_for(const pktverbs::RecvPkt& pkt);

    std::size_t frame_bytes_;
    pktverbs::Context ctx_;
    pktverbs::Flow flow_;
    bool is_impaired_;
    bool is_stuck_ = false;  // it had no room when there was time to wait for it
    std::size_t longest_ = 0;
    pktverbs::SendList free_, ready_;
    In in_;
    Out out_;
};

}  // namespace tool
