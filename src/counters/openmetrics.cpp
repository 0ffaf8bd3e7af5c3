// SPDX-License-Identifier: Apache-2.0
// Counters as OpenMetrics text (OpenMetrics 1.0, "Text format"): a family at a time, with the samples of all contexts.
#include <fmt/core.h>

#include <map>
#include <string>
#include <string_view>
#include <variant>

#include <pktverbs/counters/counters.hpp>

#include "base/join.hpp"
#include "base/utf8.hpp"
#include "counters/stats_fields.hpp"

namespace pktverbs {

namespace {

/// A label's value between its quotation marks. Bytes that are not UTF-8 become U+FFFD.
std::string escaped(std::string_view text) {
    std::string value;
    while (!text.empty()) {
        const std::size_t length = utf8_length(text);
        if (length == 0)
            value += "\xef\xbf\xbd";
        else if (text.front() == '\n')
            value += "\\n";
        else if (text.front() == '"' || text.front() == '\\')
            value.append({'\\', text.front()});
        else
            value += text.substr(0, length);
        text.remove_prefix(length == 0 ? 1 : length);
    }
    return value;
}

class Writer {
public:
    explicit Writer(std::span<const Counters> contexts) {
        // Of several contexts on one device, the second and later ones get a number as a label: no two samples may have
        // the same labels.
        std::map<std::string_view, unsigned> opened;
        for (const Counters& context : contexts) {
            const unsigned number = ++opened[context.device];
            labels_.emplace(&context, number == 1 ? std::string{} : std::to_string(number));
        }
    }
    /// Begins a family; its name must be unique.
    void family(std::string_view name, StatsField::Kind kind, std::string_view unit, std::string_view help) {
        name_ = name;
        is_counter_ = kind == StatsField::Kind::counter;
        text_ += fmt::format("# TYPE pktverbs_{} {}\n", name, is_counter_ ? "counter" : "gauge");
        if (!unit.empty()) text_ += fmt::format("# UNIT pktverbs_{} {}\n", name, unit);
        text_ += fmt::format("# HELP pktverbs_{} {}\n", name, help);
    }
    /// Labels besides the context's, in pairs of name and value; a pair with an empty value is left out.
    void sample(const Counters& context, std::initializer_list<std::pair<std::string_view, std::string_view>> labels,
                std::uint64_t number) {
        text_ +=
            fmt::format("pktverbs_{}{}{{device=\"{}\"", name_, is_counter_ ? "_total" : "", escaped(context.device));
        const auto add = [this](std::string_view label, std::string_view value) {
            if (!value.empty()) text_ += fmt::format(",{}=\"{}\"", label, escaped(value));
        };
        add("context", labels_.at(&context));
        for (const auto& [label, value] : labels) add(label, value);
        text_ += fmt::format("}} {}\n", number);
    }
    std::string finish() && { return std::move(text_) + "# EOF\n"; }

private:
    std::string text_;
    std::map<const Counters*, std::string> labels_;
    std::string_view name_;
    bool is_counter_ = false;
};

void write_queues(Writer& writer, const StatsField& field, std::span<const Counters> contexts) {
    const bool only_risen = std::holds_alternative<Stats::ByStatus Stats::*>(field.member);
    writer.family(field.name, field.kind, field.unit, field.help);
    for (const Counters& context : contexts)
        for (std::size_t queue = 0; queue < context.queues.size(); ++queue)
            visit_numbers(field, context.queues[queue], [&](std::string_view status, std::uint64_t number) {
                if (only_risen && number == 0) return;
                writer.sample(context, {{"queue", std::to_string(queue)}, {"status", status}}, number);
            });
}

void write_drops(Writer& writer, const StatsField& field, std::span<const Counters> contexts) {
    writer.family("dropped_packets", field.kind, "packets", field.help);
    for (const Counters& context : contexts) {
        Stats stats;
        stats.drops = context.drops;
        visit_numbers(field, stats, [&](std::string_view reason, std::uint64_t number) {
            writer.sample(context, {{"reason", reason}}, number);
        });
    }
}

void write_flows(Writer& writer, std::string_view name, std::string_view unit, std::string_view help,
                 std::uint64_t Flow::Count::*number, std::span<const Counters> contexts) {
    writer.family(name, StatsField::Kind::counter, unit, help);
    for (const Counters& context : contexts)
        for (const Counters::OfFlow& flow : context.flows)
            writer.sample(context,
                          {{"flow", std::to_string(flow.id)}, {"rule", flow.rule}, {"queues", join(flow.queues, ",")}},
                          flow.count.*number);
}

void write_interface(Writer& writer, std::span<const Counters> contexts) {
    writer.family("interface_events", StatsField::Kind::counter, "",
                  "Drops and errors as the kernel and the driver of the interface count them.");
    for (const Counters& context : contexts)
        for (const Counters::OfInterface& counter : context.interface)
            writer.sample(context, {{"source", counter.source}, {"name", counter.name}}, counter.value);
}

}  // namespace

std::string to_openmetrics(std::span<const Counters> contexts) {
    Writer writer{contexts};
    for (const StatsField& field : stats_fields) {
        const bool is_drops = std::holds_alternative<verbs::DeviceDrops Stats::*>(field.member);
        (is_drops ? write_drops : write_queues)(writer, field, contexts);
    }
    write_flows(writer, "flow_packets", "packets", "Frames that a rule matched.", &Flow::Count::packets, contexts);
    write_flows(writer, "flow_bytes", "bytes", "Bytes of frames that a rule matched.", &Flow::Count::bytes, contexts);
    write_interface(writer, contexts);
    return std::move(writer).finish();
}

std::string to_openmetrics(const Counters& context) { return to_openmetrics(std::span{&context, 1}); }

}  // namespace pktverbs
