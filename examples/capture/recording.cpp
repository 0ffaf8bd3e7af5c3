// SPDX-License-Identifier: Apache-2.0
#include "recording.hpp"

#include <algorithm>
#include <cerrno>
#include <condition_variable>
#include <mutex>
#include <stdexcept>
#include <system_error>
#include <utility>

#include <pktverbs/format.hpp>
#include <pktverbs/ring/block_ring.hpp>
#include "common/mtu.hpp"
#include "pin.hpp"
#include "say.hpp"

namespace capture {

namespace {

/// Ethernet, IPv4 without options and UDP: so payloads stand at the beginning of their slots.
constexpr std::uint32_t headers_bytes = 14 + 20 + 8;
/// No frame is shorter (without its FCS); a shorter datagram comes with padding.
constexpr std::uint32_t shortest_frame = 60;

pktverbs::RingGeometry geometry(const Arguments& args, const pktverbs::Device& device) {
    const auto longest_frame = example::options_for(device, 0).max_packet_size;
    const auto payload = args.payload_bytes != 0 ? args.payload_bytes : longest_frame - headers_bytes;
    return {.blocks = args.blocks,
            .block_slots = args.block_slots,
            .header_bytes = headers_bytes,
            .payload_bytes = std::max(payload, shortest_frame - headers_bytes)};
}

pktverbs::Options options(const Arguments& args, const pktverbs::BlockRing& ring) {
    // The packets that the device has must find free slots, and leave some to the disk.
    const auto slots = std::uint64_t{args.blocks} * args.block_slots;
    return {.send_packets = pktverbs::none,
            .recv_packets = static_cast<std::uint32_t>(std::clamp<std::uint64_t>(slots / 4, 1, 4096)),
            .recv_layout = ring.recv_layout(),
            .timestamps = true};
}

pktverbs::RingReceiverOptions receiver_options(const Arguments& args) {
    constexpr pktverbs::WhenFull policies[]{pktverbs::WhenFull::drop, pktverbs::WhenFull::wait,
                                            pktverbs::WhenFull::overwrite};
    pktverbs::RingReceiverOptions options{.when_full = policies[static_cast<std::size_t>(args.policy)],
                                          .hand_over_after = std::chrono::seconds{1}};
    // Several flows have as many sequences, and a slot has one number.
    if (args.flows.size() == 1) options.sequence = args.sequence;
    return options;
}

WriterOptions writer_options(const Arguments& args, std::stop_token interrupt, std::stop_token end) {
    auto options = args.writer;
    options.patience.interrupted = std::move(interrupt);
    options.patience.ended = std::move(end);
    return options;
}

std::unique_ptr<Recorder> make_recorder(const Arguments& args, BlockWriter& file, const pktverbs::BlockRing& ring,
                                        pktverbs::Context& ctx) {
    if (args.format == Format::raw) return make_raw_recorder(file, ring.geometry(), ctx.limits().timestamp_clock);
    const auto& device = ctx.device();
    std::string comment;
    for (const auto& flow : args.flows) comment += (comment.empty() ? "" : ", ") + flow.text;
    return make_pcapng_recorder(file,
                                {.name = device.interface.empty() ? device.name : device.interface,
                                 .comment = std::move(comment),
                                 .bits_per_second = 0},
                                PacketClock{ctx}, args.writer.writes_in_flight + 1, args.wanted);
}

}  // namespace

Recording::Recording(const Arguments& args, const pktverbs::Device& device, std::stop_token interrupt)
    : args_{args},
      interrupt_{std::move(interrupt)},
      sequences_{args.flows, args.sequence},
      ring_{geometry(args, device)},
      ctx_{device, options(args, ring_)},
      flows_{install()},
      receiver_{std::in_place, ctx_, ring_, receiver_options(args)},
      files_{args.output, writer_options(args, interrupt_, stop_.get_token()), args.rotation,
             [this](BlockWriter& file) { return make_recorder(args_, file, ring_, ctx_); }} {}

std::vector<pktverbs::Flow> Recording::install() {
    std::vector<pktverbs::Flow> flows;
    for (const auto& flow : args_.flows) flows.push_back(ctx_.install(flow.rule));
    return flows;
}

std::string Recording::describe() const {
    auto text = fmt::format("capturing on {} ({})", ctx_.device().name, ctx_.limits().mac);
    for (const auto& flow : flows_) text += fmt::format(", {}", flow.rule());
    return text + fmt::format("; {}; timestamps: {}", ring_.geometry(), ctx_.limits().timestamp_clock);
}

void Recording::run(const std::stop_token& stop) {
    const std::stop_callback on_stop{stop, [this] { stop_.request_stop(); }};
    const std::stop_callback on_interrupt{interrupt_, [this] { stop_.request_stop(); }};
    started_ = std::chrono::system_clock::now();
    start_ = ReportLine::Clock::now();
    disk_.emplace(ring_, files_, sequences_, [this] { stop_.request_stop(); });
    receive_.emplace(ctx_, *receiver_, std::exchange(flows_, {}), args_.count, stop_);
    if (!args_.cpus.empty()) pin(receive_->handle(), args_.cpus.front());
    if (args_.cpus.size() > 1) pin(disk_->handle(), args_.cpus.back());

    ReportLine line{start_};
    const auto end = args_.duration.count() > 0 ? start_ + args_.duration : ReportLine::Clock::time_point::max();
    std::mutex mutex;
    std::unique_lock lock{mutex};
    std::condition_variable_any nothing;
    const auto ending = stop_.get_token();
    while (!ending.stop_requested()) {
        nothing.wait_until(lock, ending, std::min(line.due(), end), [] { return false; });
        const auto now = ReportLine::Clock::now();
        if (now >= end) stop_.request_stop();
        if (now < line.due()) continue;
        const auto all = counts();
        const auto text = line.format(all, sequences_.has_numbers(), now);
        if (report_)
            report_(text, all);
        else
            say(args_.talks_to(), text + '\n');
    }
}

Summary Recording::finish() {
    stop_.request_stop();
    outcome_ = receive_->join();
    const auto time = ReportLine::Clock::now() - start_;
    auto sum = counts();
    receiver_.reset();  // so that the other thread ends
    try {
        disk_->join();
    } catch (const std::exception& error) {
        const auto name = files_.leave();
        if (name.empty()) throw;
        throw std::runtime_error{fmt::format("{} (what was written is in {})", error.what(), name)};
    }

    const auto file = files_.finish({.start = started_.time_since_epoch(),
                                     .end = std::chrono::system_clock::now().time_since_epoch(),
                                     .received = sum.received,
                                     .dropped = sum.dropped()});
    sum.written = file.packets;
    sum.filtered = file.filtered;
    sum[Drop::disk] = disk_->packets() - file.packets - file.filtered;
    sum.missing = sequences_.missing();
    sum.filled_blocks = 0;
    adds_up_ = sum.received == sum.written + sum.filtered + sum.dropped();
    const auto where = (files_.is_stream() ? "into " : "on disk in ") + files_.name() +
                       (files_.count() > 1 ? fmt::format(" and {} before it", files_.count() - 1) : "");
    return {sum, time, where, files_.how(), file.bytes};
}

Recording::~Recording() {
    stop_.request_stop();
    receive_.reset();
    receiver_.reset();
}

Counts Recording::counts() const {
    const auto ring = receiver_->stats();
    const auto device = ctx_.stats();
    Counts counts{.received = ring.packets(),
                  .received_bytes = device.recv_bytes,
                  .written = disk_->packets(),
                  .missing = disk_->missing(),
                  .ring_blocks = ring_.geometry().blocks,
                  .filled_blocks = ring_.filled_blocks(),
                  .device = device.drops};
    counts[Drop::ring_full] = ring.no_block;
    counts[Drop::overwritten] = ring.overwritten_packets;
    counts[Drop::late] = ring.late;
    counts[Drop::duplicate] = ring.duplicate;
    counts[Drop::no_place] = ring.wild + ring.not_matching;
    counts[Drop::too_long] = ring.too_long;
    counts[Drop::failed] = ring.failed;
    return counts;
}

void Recording::check() const {
    if (files_.error() != 0) {
        const char* why = "";
        if (files_.is_stream() && files_.error() == ENXIO) why = ", which has no reader";
        if (files_.is_stream() && files_.error() == ETIMEDOUT) why = ", whose reader reads nothing";
        throw std::system_error{files_.error(), std::generic_category(),
                                fmt::format("cannot write {}{}", files_.name(), why)};
    }
    if (outcome_ == pktverbs::Outcome::queue_error || outcome_ == pktverbs::Outcome::device_error)
        throw std::runtime_error{fmt::format("cannot receive from {}: {}", ctx_.device().name, outcome_)};
    if (!adds_up_) throw std::logic_error{"the sum is wrong: packets were lost in this program"};
}

}  // namespace capture
