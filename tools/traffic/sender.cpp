// SPDX-License-Identifier: Apache-2.0
#include "sender.hpp"

#include <sys/resource.h>
#include <sys/time.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include <pktverbs/net/bytes.hpp>
#include <pktverbs/send_list.hpp>

namespace tool {

namespace {

namespace net = pktverbs::net;
using pktverbs::Rate;

constexpr std::chrono::milliseconds longest_wait{100};
/// For packets in flight at the end: a receiver that has stopped taking them is not waited for longer.
constexpr std::chrono::milliseconds flush_time{500};

double thread_cpu_seconds() {
    rusage usage{};
    ::getrusage(RUSAGE_THREAD, &usage);
    const auto seconds = [](const timeval& time) {
        return static_cast<double>(time.tv_sec) + 1e-6 * static_cast<double>(time.tv_usec);
    };
    return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

}  // namespace

Sender::Sender(pktverbs::Context& ctx, std::size_t queue, std::vector<Stream> streams, Payload payload,
               std::uint64_t first_number)
    : queue_{ctx.queue(queue)},
      streams_{std::move(streams)},
      payload_{std::move(payload)},
      first_number_{first_number} {
    std::vector<std::uint8_t> bytes(65536);
    std::uint64_t total = 0;
    for (std::size_t turn = 0; turn < streams_.front().payloads.size(); ++turn)
        for (std::size_t index = 0; index < streams_.size(); ++index) {
            const auto& stream = streams_[index];
            const std::size_t payload_bytes = stream.payloads[turn];
            Step step{.stream = static_cast<std::uint32_t>(index),
                      .payload_bytes = static_cast<std::uint32_t>(payload_bytes),
                      .frame_bytes = static_cast<std::uint32_t>(stream.headers.frame_bytes(payload_bytes)),
                      .sum = {}};
            if (stream.has_checksum) {
                const auto rest = std::span{bytes}.first(payload_bytes - Stream::number_bytes);
                payload_.fill(rest);
                step.sum.add(rest);
            }
            steps_.push_back(step);
            bytes_until_.push_back(total);
            total += step.frame_bytes;
        }
    bytes_until_.push_back(total);
    const auto header_bytes = streams_.front().headers.header_bytes();
    // Where the payloads' places are the same, they are written once: buffers keep their bytes.
    copies_payload_ = !std::ranges::all_of(
        streams_, [&](const Stream& stream) { return stream.headers.header_bytes() == header_bytes; });
    is_uniform_ = steps_.size() == 1 && !streams_.front().has_checksum;
    const auto& first = steps_.front();
    auto all = queue_.acquire(queue_.limits().send_packets);
    for (auto& pkt : all) {
        pkt.set_length(first.frame_bytes);
        payload_.fill(pkt.buffer().subspan(header_bytes + Stream::number_bytes));
        streams_.front().headers.write(pkt.buffer(), first.payload_bytes);
    }
    go_to(0);
}

void Sender::go_to(std::uint64_t packets) noexcept {
    number_ = first_number_ + packets / streams_.size();
    stream_ = packets % streams_.size();
    step_ = packets % steps_.size();
}

std::uint64_t Sender::bytes_of(std::uint64_t packets) const noexcept {
    return packets / steps_.size() * bytes_until_.back() + bytes_until_[packets % steps_.size()];
}

double Sender::weight_of(const Rate& rate, std::uint64_t packets) const noexcept {
    const auto turns = packets / steps_.size(), more = packets % steps_.size();
    double sum = 0;
    for (std::size_t i = 0; i < steps_.size(); ++i)
        sum += static_cast<double>((turns + (i < more ? 1 : 0)) * rate.weight(steps_[i].frame_bytes));
    return rate.unit() == Rate::Unit::packets ? sum : 8 * sum;
}

std::vector<Sender::FlowCount> Sender::flows() const {
    const auto all = packets();
    const auto turns = all / steps_.size(), more = all % steps_.size();
    std::vector<FlowCount> counts;
    for (const auto& stream : streams_) counts.push_back({&stream, 0, 0});
    for (std::size_t i = 0; i < steps_.size(); ++i) {
        const auto times = turns + (i < more ? 1 : 0);
        counts[steps_[i].stream].packets += times;
        counts[steps_[i].stream].bytes += times * steps_[i].frame_bytes;
    }
    return counts;
}

void Sender::fill(pktverbs::SendList& packets) noexcept {
    for (auto& pkt : packets) {
        const auto& step = steps_[step_];
        const auto& stream = streams_[step.stream];
        const auto buffer = pkt.buffer();
        const auto number_at = stream.headers.header_bytes();
        net::store(&buffer[number_at], number_);
        if (!is_uniform_) {
            pkt.set_length(step.frame_bytes);
            if (copies_payload_)
                payload_.fill(buffer.subspan(number_at, step.payload_bytes).subspan(Stream::number_bytes));
            net::Stamp stamp{.sequence = static_cast<std::uint32_t>(number_ * step.payload_bytes)};
            if (stream.has_checksum) {
                // The number first: behind an odd number of bytes, its own would be swapped.
                stamp.payload_sum = net::InternetSum{}
                                        .add(static_cast<std::uint32_t>(number_ >> 32))
                                        .add(static_cast<std::uint32_t>(number_))
                                        .add(step.sum);
            }
            stream.headers.write(buffer, step.payload_bytes, stamp);
        }
        if (++stream_ == streams_.size()) {
            stream_ = 0;
            ++number_;
        }
        if (++step_ == steps_.size()) step_ = 0;
    }
}

void Sender::send(std::size_t max, std::chrono::nanoseconds left, const std::stop_token& stop) {
    auto packets = queue_.acquire(max);
    if (packets.empty()) {
        const auto start = Clock::now();
        packets = queue_.acquire(1, std::min<std::chrono::nanoseconds>(left, longest_wait), stop);
        blocked_ += Clock::now() - start;
        if (packets.empty() && queue_.in_error()) report_.error = EIO;
    }
    if (packets.empty()) return;
    const auto before = sent_.load(std::memory_order_relaxed);
    fill(packets);
    if (pacer_ && !pacer_->wait(packets, stop)) return go_to(before);
    if (next_rate_) {
        // Sent when the old rate said so; a pacer's first packets are due at once, and begin the new one's time.
        note_pacer();
        pacer_.emplace(*std::exchange(next_rate_, std::nullopt));
        pacer_->wait(packets);
    }
    const auto filled = packets.size();
    const auto refused = queue_.send(std::move(packets));
    sent_.store(before + filled - refused.size(), std::memory_order_relaxed);
    if (refused.empty()) return;
    if (pacer_) pacer_->give_back(refused);
    report_.error = refused.error();
    go_to(before + filled - refused.size());
}

void Sender::note_pacer() {
    if (!pacer_) return;
    const auto report = pacer_->report();
    forgiven_ += report.forgiven;
    report_.longest_lag = std::max(report_.longest_lag, report.longest_lag);
    report_.achieved = report.achieved;
    report_.missed = report_.missed || report.missed();
}

SendReport Sender::run(const SendPlan& plan, const std::stop_token& stop) {
    const double cpu_before = thread_cpu_seconds();
    const auto before = packets();
    const auto start = Clock::now();
    report_ = {};
    forgiven_ = blocked_ = {};
    // Fine enough that nobody sees steps, coarse enough that each has batches.
    const auto ramp_step = std::max<std::chrono::nanoseconds>(plan.time / 100, std::chrono::milliseconds{20});
    auto next_step = ramp_step;
    // Each step has the rate of its middle, so that their mean is that of the ramp.
    const auto rate_before = [&](std::chrono::nanoseconds step_end) {
        const double part =
            static_cast<double>((step_end - ramp_step / 2).count()) / static_cast<double>(plan.time.count());
        return rate_like(*plan.rate, plan.rate->per_second() * (1 - part) + plan.ramp_to->per_second() * part);
    };
    next_rate_.reset();
    pacer_.reset();
    if (plan.rate) pacer_.emplace(plan.ramp_to ? rate_before(next_step) : *plan.rate);
    const auto mean_bytes = static_cast<std::size_t>(bytes_until_.back() / steps_.size());
    while (!stop.stop_requested() && packets() - before < plan.count && report_.error == 0) {
        const auto elapsed = Clock::now() - start;
        auto left = plan.time - elapsed;
        if (pacer_) left -= pacer_->time_left();
        if (left <= std::chrono::nanoseconds::zero()) break;
        if (plan.ramp_to && elapsed >= next_step) {
            next_step += ramp_step;
            next_rate_ = rate_before(next_step);
        }
        const auto batch = pacer_ ? pacer_->batch(mean_bytes, plan.batch) : plan.batch;
        send(static_cast<std::size_t>(std::min<std::uint64_t>(batch, plan.count - (packets() - before))), left, stop);
    }
    const auto end = Clock::now();
    report_.cpu_seconds = thread_cpu_seconds() - cpu_before;
    queue_.flush(flush_time);
    note_pacer();
    report_.threads = 1;
    report_.packets = packets() - before;
    report_.bytes = bytes_of(packets()) - bytes_of(before);
    report_.seconds = std::chrono::duration<double>{end - start}.count();
    report_.blocked_seconds = std::chrono::duration<double>{blocked_}.count();
    report_.asked = plan.rate;
    if (plan.ramp_to) {
        // The mean of a whole ramp; what was cut short has no rate that was asked for.
        report_.asked = rate_like(*plan.rate, (plan.rate->per_second() + plan.ramp_to->per_second()) / 2);
        const double sent = weight_of(*plan.rate, packets()) - weight_of(*plan.rate, before);
        report_.achieved = report_.seconds > 0 ? sent / report_.seconds : 0;
        const bool was_cut = stop.stop_requested() || report_.packets >= plan.count || report_.error != 0;
        report_.missed = !was_cut && report_.achieved < 0.99 * report_.asked->per_second();
    }
    return report_;
}

}  // namespace tool
