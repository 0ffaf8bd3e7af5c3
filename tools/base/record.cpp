// SPDX-License-Identifier: Apache-2.0
#include "record.hpp"

#include <fmt/format.h>

#include <cmath>
#include <map>
#include <utility>

namespace tool {

namespace {

/// RFC 8259, section 7. Bytes that are no text of UTF-8 are left as they are: names of interfaces may have them.
std::string json_text(std::string_view text) {
    std::string json = "\"";
    for (const char c : text) {
        if (c == '"' || c == '\\')
            json.append({'\\', c});
        else if (static_cast<unsigned char>(c) < 0x20)
            json += fmt::format("\\u{:04x}", static_cast<unsigned>(c));
        else
            json += c;
    }
    return json += '"';
}

/// OpenMetrics 1.0, "Label values": backslash, quote and line feed are escaped.
std::string label(std::string_view name, std::string_view value) {
    std::string text = fmt::format("{}=\"", name);
    for (const char c : value) {
        if (c == '"' || c == '\\') text += '\\';
        if (c == '\n')
            text += "\\n";
        else
            text += c;
    }
    return text += '"';
}

}  // namespace

Record::Record() = default;
Record::Record(const Record&) = default;
Record::Record(Record&&) noexcept = default;
Record& Record::operator=(const Record&) = default;
Record& Record::operator=(Record&&) noexcept = default;
Record::~Record() = default;

Record& Record::add(std::string_view key, Kind kind, std::string text) {
    values_.push_back({std::string{key}, Value{kind, std::move(text), {}}});
    return *this;
}
Record& Record::set_whole(std::string_view key, std::uint64_t value) {
    return add(key, Kind::number, fmt::format("{}", value));
}
Record& Record::set_signed(std::string_view key, std::int64_t value) {
    return add(key, Kind::number, fmt::format("{}", value));
}
Record& Record::set_flag(std::string_view key, bool value) { return add(key, Kind::flag, value ? "true" : "false"); }
Record& Record::set(std::string_view key, double value) {
    return add(key, Kind::number, std::isfinite(value) ? fmt::format("{:.9g}", value) : "null");
}
Record& Record::set(std::string_view key, std::string_view value) { return add(key, Kind::text, std::string{value}); }
Record& Record::set(std::string_view key, std::vector<Record> values) {
    values_.push_back({std::string{key}, Value{Kind::records, {}, std::move(values)}});
    return *this;
}
Record& Record::set(std::string_view key, std::span<const std::uint64_t> values) {
    return add(key, Kind::numbers, fmt::format("[{}]", fmt::join(values, ", ")));
}

std::string Record::to_json(const Value& value) const {
    if (value.kind == Kind::text) return json_text(value.text);
    if (value.kind != Kind::records) return value.text;
    std::string json = "[";
    for (const auto& record : value.records) {
        if (json.size() > 1) json += ", ";
        json += record.to_json();
    }
    return json += ']';
}

std::string Record::to_json() const {
    std::string json = "{";
    for (const auto& [key, value] : values_) {
        if (json.size() > 1) json += ", ";
        json += fmt::format("{}: {}", json_text(key), to_json(value));
    }
    return json += '}';
}

void Record::add_metrics(std::string& text, std::string_view prefix) const {
    // All samples of a name must stand together (OpenMetrics 1.0, "MetricFamily").
    std::vector<std::string> names;
    std::map<std::string, std::string> families;
    const auto add_record = [&](const auto& self, const Record& record, const std::string& name,
                                std::string labels) -> void {
        for (const auto& [key, value] : record.values_)
            if (value.kind == Kind::text && &record != this)
                labels += (labels.empty() ? "" : ",") + label(key, value.text);
        for (const auto& [key, value] : record.values_) {
            const std::string full = fmt::format("{}_{}", name, key);
            for (const auto& element : value.records) self(self, element, full, labels);
            if (value.kind != Kind::number && value.kind != Kind::flag) continue;
            auto [family, is_new] = families.try_emplace(full);
            if (is_new) names.push_back(full);
            const std::string number = value.kind == Kind::flag ? (value.text == "true" ? "1" : "0")
                                       : value.text == "null"   ? "NaN"
                                                                : value.text;
            family->second += labels.empty() ? fmt::format("{} {}\n", full, number)
                                             : fmt::format("{}{{{}}} {}\n", full, labels, number);
        }
    };
    add_record(add_record, *this, std::string{prefix}, {});
    for (const auto& name : names) text += fmt::format("# TYPE {} gauge\n{}", name, families.at(name));
}

}  // namespace tool
