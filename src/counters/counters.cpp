// SPDX-License-Identifier: Apache-2.0
// Counters: sums, text and JSON.
#include <fmt/core.h>

#include <string>
#include <string_view>
#include <variant>

#include <pktverbs/counters/counters.hpp>

#include "base/join.hpp"
#include "base/json.hpp"
#include "counters/stats_fields.hpp"

namespace pktverbs {

namespace {

/// "key": {"part": number, ...}, or "key": number.
void append_field(std::string& json, const StatsField& field, const Stats& stats) {
    const bool is_group = !std::holds_alternative<std::uint64_t Stats::*>(field.member) &&
                          !std::holds_alternative<std::uint32_t Stats::*>(field.member);
    const bool only_risen = std::holds_alternative<Stats::ByStatus Stats::*>(field.member);
    json += fmt::format("\"{}\": {}", field.name, is_group ? "{" : "");
    std::string_view separator;
    visit_numbers(field, stats, [&](std::string_view part, std::uint64_t number) {
        if (only_risen && number == 0) return;
        if (is_group) json += fmt::format("{}\"{}\": ", separator, part);
        json += std::to_string(number);
        separator = ", ";
    });
    if (is_group) json += '}';
}

bool is_drops(const StatsField& field) { return std::holds_alternative<verbs::DeviceDrops Stats::*>(field.member); }

std::string json_of(const Stats& stats, bool with_drops) {
    std::string json = "{";
    for (const StatsField& field : stats_fields) {
        if (is_drops(field) && !with_drops) continue;
        if (json.size() > 1) json += ", ";
        append_field(json, field, stats);
    }
    return json + '}';
}

std::string json_of(const Counters::OfFlow& flow) {
    return fmt::format(R"({{"flow": {}, "rule": {}, "queues": [{}], "packets": {}, "bytes": {}}})", flow.id,
                       json_string(flow.rule), join(flow.queues, ", "), flow.count.packets, flow.count.bytes);
}

std::string json_of(const Counters::OfInterface& counter) {
    return fmt::format(R"({{"source": {}, "name": {}, "value": {}}})", json_string(counter.source),
                       json_string(counter.name), counter.value);
}

}  // namespace

Stats Counters::sum() const {
    Stats sum;
    for (const Stats& queue : queues) sum += queue;
    sum.drops = drops;
    return sum;
}

std::string Counters::to_string() const {
    std::string text = fmt::format("{}: {}", device, sum().to_string());
    for (std::size_t i = 0; i < queues.size() && queues.size() > 1; ++i)
        text += fmt::format("\nqueue {}: {}", i, queues[i].to_string());
    for (const OfFlow& flow : flows)
        text += fmt::format("\nflow {} ({}): packets {} bytes {}", flow.id, flow.rule, flow.count.packets,
                            flow.count.bytes);
    if (!interface.empty())
        text += fmt::format("\ninterface: {}", join(interface, " ", [](const OfInterface& counter) {
                                return fmt::format("{}.{} {}", counter.source, counter.name, counter.value);
                            }));
    return text;
}

std::string to_json(const Stats& stats) { return json_of(stats, true); }

std::string Counters::to_json() const {
    Stats of_device;
    of_device.drops = drops;
    std::string reasons;
    for (const StatsField& field : stats_fields)
        if (is_drops(field)) append_field(reasons, field, of_device);
    const auto element = [](const auto& counter) { return json_of(counter); };
    return fmt::format(R"({{"device": {}, "queues": [{}], {}, "flows": [{}], "interface": [{}]}})", json_string(device),
                       join(queues, ", ", [](const Stats& queue) { return json_of(queue, false); }), reasons,
                       join(flows, ", ", element), join(interface, ", ", element));
}

}  // namespace pktverbs
