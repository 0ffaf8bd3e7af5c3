// SPDX-License-Identifier: Apache-2.0
#include "table.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <system_error>

#include "base/quantity.hpp"
#include "ring/ring_look.hpp"

namespace tool {

namespace {

constexpr double max_age = 3;  // seconds; programs publish once in one

std::optional<double> rate(std::optional<double> now, std::optional<double> before, double seconds) {
    if (!now || !before || seconds <= 0 || *now < *before) return {};
    return (*now - *before) / seconds;
}

std::string whole(std::optional<double> number) { return number ? fmt::format("{:.0f}", *number) : "-"; }

/// A key only for what is known.
void set(Record& record, std::string_view key, std::optional<double> value) {
    if (value) record.set(key, *value);
}

}  // namespace

void Table::update() {
    update_programs();
    update_rings();
}

void Table::update_programs() {
    decltype(programs_) programs;
    for (auto& published : list_published()) {
        const std::pair id{published.process, published.start};
        Program program;
        if (const auto known = programs_.find(id); known != programs_.end()) {
            const auto& before = known->second.now;
            const double seconds = published.seconds - before.seconds;
            program.packets_per_second = known->second.packets_per_second;
            program.bits_per_second = known->second.bits_per_second;
            if (seconds != 0) {
                program.packets_per_second = rate(published.packets(), before.packets(), seconds);
                const auto bytes_per_second = rate(published.bytes(), before.bytes(), seconds);
                program.bits_per_second = bytes_per_second ? std::optional{*bytes_per_second * 8} : std::nullopt;
            }
            if (published.age > max_age) program.packets_per_second = program.bits_per_second = std::nullopt;
        }
        program.now = std::move(published);
        programs.emplace(id, std::move(program));
    }
    programs_ = std::move(programs);
}

void Table::update_rings() {
    rings_.clear();
    std::error_code error;
    for (std::filesystem::directory_iterator entry{"/dev/shm", error}, end; !error && entry != end;
         entry.increment(error)) {
        std::error_code gone;
        if (!entry->is_regular_file(gone)) continue;
        try {
            const RingLook ring{entry->path().filename().string()};
            const auto blocks = ring.blocks();
            rings_.push_back({ring.name(), ring.bytes(), ring.geometry().blocks, blocks.filled,
                              std::string{to_string(ring.producer().state)},
                              std::string{to_string(ring.consumer().state)}});
        } catch (const std::system_error&) {
            // No ring, or not one for us: `pktverbs ring ls` says why.
        }
    }
    std::ranges::sort(rings_, {}, &Ring::name);
}

std::vector<std::string> Table::lines(std::size_t width) const {
    std::vector<std::string> lines;
    if (programs_.empty()) lines.emplace_back("no program publishes its numbers: start some with --publish");
    if (!programs_.empty())
        lines.push_back(fmt::format("{:>7} {:<26} {:>10} {:>10} {:>12} {:>9}", "process", "program", "rate", "bit rate",
                                    "packets", "lost"));
    for (const auto& [id, program] : programs_) {
        const auto& now = program.now;
        const auto& pps = program.packets_per_second;
        const auto& bps = program.bits_per_second;
        lines.push_back(fmt::format("{:>7} {:<26.26} {:>10} {:>10} {:>12} {:>9}", now.process,
                                    now.subcommand + ' ' + now.arguments, pps ? packets_per_second(*pps) : "-",
                                    bps ? bits_per_second(*bps) : "-", whole(now.packets()), whole(now.lost())));
        if (const auto losses = now.losses(); !losses.empty()) lines.push_back(fmt::format("{:>7} {}", "", losses));
        if (now.age > max_age) lines.push_back(fmt::format("{:>7} these numbers are {} old", "", time(now.age * 1e9)));
    }
    if (!rings_.empty())
        lines.push_back(
            fmt::format("{:<28} {:>9} {:>21} {:>9} {:>8}", "ring", "size", "filled", "producer", "consumer"));
    for (const auto& ring : rings_)
        lines.push_back(
            fmt::format("{:<28.28} {:>9} {:>21} {:>9} {:>8}", ring.name, bytes(static_cast<double>(ring.bytes)),
                        fmt::format("{} of {} ({})", ring.filled, ring.blocks, percent(ring.filled, ring.blocks)),
                        ring.producer, ring.consumer));
    for (auto& line : lines)
        if (line.size() > width) line.resize(width);
    return lines;
}

Record Table::record() const {
    std::vector<Record> programs, rings;
    for (const auto& [id, program] : programs_) {
        const auto& now = program.now;
        auto& record = programs.emplace_back();
        record.set("process", now.process).set("subcommand", now.subcommand).set("arguments", now.arguments);
        record.set("running_s", now.seconds).set("age_s", now.age);
        set(record, "packets", now.packets());
        set(record, "bytes", now.bytes());
        set(record, "lost_packets", now.lost());
        set(record, "rate_pps", program.packets_per_second);
        set(record, "rate_bps", program.bits_per_second);
        record.set("losses", now.losses());
    }
    for (const auto& ring : rings_)
        rings.push_back(Record{}
                            .set("name", ring.name)
                            .set("bytes", ring.bytes)
                            .set("blocks", ring.blocks)
                            .set("filled_blocks", ring.filled)
                            .set("producer", ring.producer)
                            .set("consumer", ring.consumer));
    return Record{}.set("programs", std::move(programs)).set("rings", std::move(rings));
}

}  // namespace tool
