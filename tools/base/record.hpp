// SPDX-License-Identifier: Apache-2.0
// Record: named values, as a JSON object or as metrics.
#pragma once

#include <concepts>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace tool {

/// Holds what a subcommand has to report, in the order in which it was set.
///
/// A value. Keys are words of lower case and underscores, with their unit at the end ("longest_gap_ns").
class Record {
public:
    // In the source: a record holds records, and clang 14 needs them whole before.
    Record();
    Record(const Record&);
    Record(Record&&) noexcept;
    Record& operator=(const Record&);
    Record& operator=(Record&&) noexcept;
    ~Record();

    template <std::unsigned_integral Number>
    requires(!std::same_as<Number, bool>) Record& set(std::string_view key, Number value) {
        return set_whole(key, value);
    }
    Record& set(std::string_view key, std::signed_integral auto value) { return set_signed(key, value); }
    Record& set(std::string_view key, std::same_as<bool> auto value) { return set_flag(key, value); }
    Record& set(std::string_view key, double value);
    Record& set(std::string_view key, std::string_view value);
    Record& set(std::string_view key, const std::string& value) { return set(key, std::string_view{value}); }
    Record& set(std::string_view key, const char* value) { return set(key, std::string_view{value}); }
    Record& set(std::string_view key, std::vector<Record> values);
    Record& set(std::string_view key, std::span<const std::uint64_t> values);

    /// One line, without a line feed. What JSON has no number for (infinity, not a number) is null.
    std::string to_json() const;

    /// Adds each number as the metric PREFIX_KEY, in the format that a scraper of Prometheus reads. The records of a
    /// list are told apart by their texts, which become labels: PREFIX_LIST_KEY{flow="udp:..."}.
    void add_metrics(std::string& text, std::string_view prefix) const;

private:
    enum class Kind : std::uint8_t { number, flag, text, records, numbers };
    struct Value {
        Kind kind = Kind::number;
        std::string text;             ///< as in JSON; of a text: the text itself
        std::vector<Record> records;  ///< of a list
    };

    struct Entry {  // no std::pair: clang 14 would look at its constructors before Record is complete
        std::string key;
        Value value;
    };

    Record& set_whole(std::string_view key, std::uint64_t value);
    Record& set_signed(std::string_view key, std::int64_t value);
    Record& set_flag(std::string_view key, bool value);
    Record& add(std::string_view key, Kind kind, std::string text);
    std::string to_json(const Value& value) const;

    std::vector<Entry> values_;
};

}  // namespace tool
