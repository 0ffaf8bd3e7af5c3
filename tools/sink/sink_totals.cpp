// SPDX-License-Identifier: Apache-2.0
#include "sink_totals.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/quantity.hpp"
#include "base/rates.hpp"

namespace tool {

SinkTotals::SinkTotals(const ReceivedFlows& flows, const pktverbs::verbs::DeviceDrops& before,
                       const pktverbs::verbs::DeviceDrops& after, std::uint64_t failed, double seconds)
    : flows_{flows},
      sum_{flows.sum()},
      failed_{failed},
      seconds_{seconds},
      lost_by_device_{{"out_of_buffer", after.out_of_buffer - before.out_of_buffer},
                      {"not_ready", after.not_ready - before.not_ready},
                      {"oversize", after.oversize - before.oversize},
                      {"link", after.link - before.link}},
      device_lost_{after.lost() - before.lost()},
      fragments_{after.fragments - before.fragments},
      unwanted_{after.unmatched + after.by_rule - before.unmatched - before.by_rule},
      missing_here_{std::min(sum_.missing, device_lost_)},
      lost_unnumbered_{device_lost_ - missing_here_} {}

bool SinkTotals::is_good() const noexcept {
    return sum_.packets > 0 && sum_.missing == 0 && device_lost_ == 0 && failed_ == 0;
}

std::string SinkTotals::to_string() const {
    const auto [bps, pps] = Rates::over(seconds_, sum_.packets, sum_.bytes);
    std::string text = sum_.packets == 0 ? "received  nothing\n"
                                         : fmt::format("received  {} packets, {} in {}: {}, {}\n", sum_.packets,
                                                       bytes(static_cast<double>(sum_.bytes)), time(1e9 * seconds_),
                                                       bits_per_second(bps), packets_per_second(pps));
    text += fmt::format(
        "lost      {} packets ({})", sum_.missing,
        percent(static_cast<double>(sum_.missing), static_cast<double>(sum_.missing + sum_.packets - sum_.duplicated)));
    if (sum_.missing > 0)
        text += fmt::format(": {} by this device, {} on the way to it", missing_here_, sum_.missing - missing_here_);
    text += '\n';
    if (device_lost_ > 0) {
        text += fmt::format("device    {} packets lost:", device_lost_);
        for (const auto& [reason, packets] : lost_by_device_)
            if (packets > 0) text += fmt::format(" {} {}", reason, packets);
        text += '\n';
    }
    if (lost_unnumbered_ > 0)
        text += fmt::format("          {} of them in no gap: before the first packet, or after the last\n",
                            lost_unnumbered_);
    if (failed_ > 0) text += fmt::format("failed    {} packets: longer than their buffers\n", failed_);
    text += fmt::format("order     {} reordered, of which {} late; {} duplicated\n", sum_.reordered, sum_.late,
                        sum_.duplicated);
    if (const auto all = flows_.fragments() + fragments_; all > 0) text += fmt::format("fragments {}\n", all);
    if (sum_.wild > 0) text += fmt::format("stray     {} packets with numbers from nowhere near\n", sum_.wild);
    if (sum_.restarts > 0) text += fmt::format("restarts  {} of senders\n", sum_.restarts);
    if (flows_.others() > 0) text += fmt::format("others    {} frames without a sequence number\n", flows_.others());
    if (unwanted_ > 0) text += fmt::format("unwanted  {} frames, for which there was no --flow\n", unwanted_);
    if (flows_.flows().size() > 1)
        for (const auto& flow : flows_.flows())
            text += fmt::format("flow      {}\n          {} packets, {} lost, {} reordered, {} late, {} duplicated\n",
                                flow->key().to_string(), flow->packets(), flow->numbers().missing(),
                                flow->numbers().reordered(), flow->late(), flow->numbers().duplicated());
    text.pop_back();
    return text;
}

Record SinkTotals::to_record() const {
    const auto [bps, pps] = Rates::over(seconds_, sum_.packets, sum_.bytes);
    Record record;
    record.set("packets", sum_.packets)
        .set("bytes", sum_.bytes)
        .set("receiving_s", seconds_)
        .set("rate_bps", bps)
        .set("rate_pps", pps)
        .set("lost_packets", sum_.missing)
        .set("lost_here_packets", missing_here_)
        .set("lost_on_the_way_packets", sum_.missing - missing_here_)
        .set("device_lost_packets", device_lost_)
        .set("device_lost_in_no_gap_packets", lost_unnumbered_);
    for (const auto& [reason, packets] : lost_by_device_) record.set(fmt::format("device_{}_packets", reason), packets);
    record.set("failed_packets", failed_)
        .set("reordered_packets", sum_.reordered)
        .set("late_packets", sum_.late)
        .set("duplicated_packets", sum_.duplicated)
        .set("fragments", flows_.fragments() + fragments_)
        .set("stray_packets", sum_.wild)
        .set("sender_restarts", sum_.restarts)
        .set("other_frames", flows_.others())
        .set("unwanted_frames", unwanted_);
    std::vector<Record> records;
    for (const auto& flow : flows_.flows())
        records.push_back(Record{}
                              .set("flow", flow->key().to_string())
                              .set("packets", flow->packets())
                              .set("bytes", flow->bytes())
                              .set("first_number", flow->first())
                              .set("highest_number", flow->highest())
                              .set("lost_packets", flow->numbers().missing())
                              .set("reordered_packets", flow->numbers().reordered())
                              .set("late_packets", flow->late())
                              .set("duplicated_packets", flow->numbers().duplicated()));
    return record.set("flows", std::move(records));
}

}  // namespace tool
