// SPDX-License-Identifier: Apache-2.0
// Generator: sends a UDP stream of numbered payloads, at a rate or as fast as possible.
#pragma once

#include <fmt/core.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <limits>
#include <numeric>
#include <optional>
#include <stdexcept>
#include <stop_token>
#include <system_error>
#include <utility>

#include <pktverbs/net/net.hpp>
#include <pktverbs/pktverbs.hpp>
#include <pktverbs/time/pacer.hpp>
#include <pktverbs/time/rate.hpp>

namespace example {

namespace net = pktverbs::net;

/// The destination of a stream, and the form of its packets.
struct Stream {
    static constexpr std::uint16_t default_port = 7148;
    static constexpr std::size_t default_payload_bytes = 8192;
    pktverbs::MacAddress dst_mac;
    pktverbs::Ipv4Address src_ip;
    pktverbs::Ipv4Address dst_ip;
    std::uint16_t port = default_port;
    /// Starts with the 8-byte sequence number.
    std::size_t payload_bytes = default_payload_bytes;

    /// Without a UDP checksum, for which every payload would have to be read.
    net::FrameTemplate headers(pktverbs::MacAddress src_mac) const noexcept {
        return {net::Ethernet{.dst = dst_mac, .src = src_mac}, net::Ipv4{.src = src_ip, .dst = dst_ip},
                net::Udp{.src_port = port, .dst_port = port, .checksum = false}};
    }
    std::size_t frame_bytes() const noexcept { return headers({}).frame_bytes(payload_bytes); }
    /// From the IP header on, which the MTU limits.
    std::size_t packet_bytes() const noexcept { return frame_bytes() - net::EthernetView<>::size; }

    /// Sets the length of payloads; 0: the default length, or less if packets of `max_packet_bytes` hold less.
    void set_payload_bytes(std::size_t bytes, std::size_t max_packet_bytes) noexcept {
        const std::size_t headers = packet_bytes() - payload_bytes;
        const std::size_t max_bytes = max_packet_bytes - std::min(max_packet_bytes, headers);
        constexpr std::size_t min_bytes = sizeof(std::uint64_t);
        payload_bytes = bytes != 0 ? bytes : std::max(std::min(default_payload_bytes, max_bytes), min_bytes);
    }
};

/// How much to send, and how fast.
struct Pace {
    std::optional<pktverbs::Rate> rate = {};  ///< none: as fast as possible
    std::uint64_t count = std::numeric_limits<std::uint64_t>::max();
    std::chrono::nanoseconds duration = pktverbs::no_timeout;
    std::size_t batch = 32;
};

/// Sends in the calling thread, and owns the context's send side. The context must outlive it.
class Generator {
public:
    /// Writes the headers into every buffer. Buffers keep their bytes, so afterwards only the number changes. No packet
    /// may be in flight.
    Generator(pktverbs::Context& ctx, const Stream& stream) : ctx_{ctx}, frame_bytes_{stream.frame_bytes()} {
        const auto headers = stream.headers(ctx.limits().mac);
        number_at_ = headers.header_bytes();
        auto all = ctx.acquire(ctx.limits().send_packets);
        for (auto& pkt : all) {
            pkt.set_length(stream.frame_bytes());
            headers.write(pkt.bytes(), stream.payload_bytes);
        }
    }

    /// Calls progress(packets sent so far) after every batch. Flushes before it returns. Ends when the device refuses a
    /// packet: see check().
    template <class Progress>
    void run(const Pace& pace, const std::stop_token& stop, Progress&& progress) {
        const auto start = std::chrono::steady_clock::now();
        pacer_ = pace.rate ? std::optional<pktverbs::Pacer>{*pace.rate} : std::nullopt;
        while (!stop.stop_requested() && sent_ < pace.count && error_ == 0) {
            auto left = pace.duration - (std::chrono::steady_clock::now() - start);
            if (pacer_) left -= pacer_->time_left();
            if (left <= std::chrono::nanoseconds::zero()) break;
            send(static_cast<std::size_t>(std::min<std::uint64_t>(batch(pace), pace.count - sent_)), stop);
            progress(sent_);
        }
        ctx_.flush(std::chrono::seconds{1});
    }

    std::uint64_t sent() const noexcept { return sent_; }
    /// The report of the last run with a rate.
    std::optional<pktverbs::PacerReport> report() const {
        return pacer_ ? std::optional{pacer_->report()} : std::nullopt;
    }
    /// Throws if the device refused a packet, or failed to send one, or dropped one for want of a link.
    void check() const {
        if (error_ != 0)
            throw std::system_error{error_, std::generic_category(),
                                    fmt::format("cannot send on {}", ctx_.device().name)};
        const auto stats = ctx_.stats();
        const auto failed = std::reduce(stats.send_errors.begin(), stats.send_errors.end());
        if (failed > 0 || stats.in_flight > 0)
            throw std::runtime_error{fmt::format("{} packets failed and {} are still in flight on {}", failed,
                                                 stats.in_flight, ctx_.device().name)};
        if (stats.drops.unsent > 0)
            throw std::runtime_error{
                fmt::format("{} packets were dropped: the link of {} was down, or no other program "
                            "was at its end",
                            stats.drops.unsent, ctx_.device().name)};
    }

private:
    static constexpr std::chrono::milliseconds longest_wait{100};

    /// Sends a slow stream evenly, not in bursts.
    std::size_t batch(const Pace& pace) const { return pacer_ ? pacer_->batch(frame_bytes_, pace.batch) : pace.batch; }

    /// Sends up to `max` packets, no more than there are free buffers.
    void send(std::size_t max, const std::stop_token& stop) {
        auto packets = ctx_.acquire(max);
        if (packets.empty()) packets = ctx_.acquire(1, longest_wait);
        if (packets.empty() || (pacer_ && !pacer_->wait(packets, stop))) return;
        const std::size_t filled = packets.size();
        std::uint64_t number = sent_;
        for (auto& pkt : packets) net::store(&pkt.bytes()[number_at_], number++);
        const auto refused = ctx_.send(std::move(packets));
        if (pacer_) pacer_->give_back(refused);
        error_ = refused.error();
        sent_ += filled - refused.size();
    }

    pktverbs::Context& ctx_;
    std::size_t frame_bytes_;
    std::size_t number_at_ = 0;
    std::optional<pktverbs::Pacer> pacer_;
    std::uint64_t sent_ = 0;
    int error_ = 0;
};

}  // namespace example
