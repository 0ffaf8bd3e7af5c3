// SPDX-License-Identifier: Apache-2.0
#include "soft/link/frame_faults.hpp"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <iterator>
#include <new>
#include <optional>
#include <system_error>
#include <utility>

#include <fmt/core.h>

#include "base/parse_decimal.hpp"
#include "base/quantity.hpp"
#include "base/take_part.hpp"

namespace pktverbs::soft {
namespace {

constexpr std::chrono::nanoseconds max_delay = std::chrono::hours{1};
constexpr std::uint64_t min_line_rate = 1'000;
constexpr std::uint64_t max_line_rate = 9'000'000'000'000;
constexpr std::uint32_t max_line_limit = 1'000'000;

constexpr bool is_chance(double number) noexcept { return number >= 0 && number <= 1; }  // a NaN is none

/// The whole of `text`, as people write it: no sign, and no zero before another digit.
std::optional<double> parse_fraction(std::string_view text) noexcept {
    if (text.starts_with('-') || (text.size() > 1 && text[0] == '0' && text[1] >= '0' && text[1] <= '9'))
        return std::nullopt;
    double number{};
    const char* const end = text.data() + text.size();
    const auto [next, error] = std::from_chars(text.data(), end, number);
    if (error != std::errc{} || next != end) return std::nullopt;
    return number;
}

template <double LinkFaults::*chance>
bool read_fault_chance(LinkFaults& faults, std::string_view value) noexcept {
    const auto number = parse_fraction(value);
    if (!number || !is_chance(*number)) return false;
    faults.*chance = *number;
    return true;
}

/// "P:R", "P:R:1-H" or "P:R:1-H:1-K".
bool read_bursts(LinkFaults& faults, std::string_view value) noexcept {
    Impairments::BurstLoss bursts;
    double* const chances[] = {&bursts.to_bad, &bursts.to_good, &bursts.in_bad, &bursts.in_good};
    std::size_t count = 0;
    for (bool more = true; more; ++count) {
        if (count == std::size(chances)) return false;
        more = value.find(':') != std::string_view::npos;
        const auto number = parse_fraction(take_part(value, ':'));
        if (!number || !is_chance(*number)) return false;
        *chances[count] = *number;
    }
    faults.bursts = bursts;
    return count >= 2;
}

template <std::chrono::nanoseconds LinkFaults::*time>
bool read_fault_time(LinkFaults& faults, std::string_view value) noexcept {
    constexpr std::pair<std::string_view, std::uint64_t> units[] = {
        {"ns", 1}, {"us", 1'000}, {"ms", 1'000'000}, {"s", 1'000'000'000}};
    const auto quantity = Quantity::parse(value);
    if (!quantity) return false;
    for (const auto& [name, length] : units) {
        if (name != quantity->unit) continue;
        const auto ns = quantity->times(length);
        if (!ns || *ns > static_cast<std::uint64_t>(max_delay.count())) return false;
        faults.*time = std::chrono::nanoseconds{*ns};
        return true;
    }
    return false;
}

/// As rates of sending are written: "10Mbit/s", "1.5G".
bool read_line_rate(LinkFaults& faults, std::string_view value) noexcept {
    constexpr std::uint64_t factors[] = {1, 1'000, 1'000'000, 1'000'000'000, 1'000'000'000'000};
    const auto quantity = Quantity::parse(value);
    if (!quantity || quantity->unit.empty()) return false;
    std::string_view unit = quantity->unit;
    const unsigned power = power_of_prefix(unit.front());
    if (power != 0) unit.remove_prefix(1);
    if (!unit.empty() && unit != "bit/s" && unit != "bps" && unit != "b/s" && unit != "bit") return false;
    const auto rate = quantity->times(factors[power]);
    if (!rate || *rate < min_line_rate || *rate > max_line_rate) return false;
    faults.rate = *rate;
    return true;
}

bool read_line_limit(LinkFaults& faults, std::string_view value) noexcept {
    const auto frames = parse_decimal<std::uint32_t>(value);
    if (!frames || *frames == 0 || *frames > max_line_limit) return false;
    faults.limit = *frames;
    return true;
}

bool read_seed(LinkFaults& faults, std::string_view value) noexcept {
    const auto seed = parse_decimal<std::uint64_t>(value);
    if (seed) faults.seed = *seed;
    return seed.has_value();
}

}  // namespace

constinit const std::array<FaultKey, 10> fault_keys{{
    {"loss", "P", "chance from 0 to 1", read_fault_chance<&LinkFaults::loss>},
    {"duplicate", "P", "chance from 0 to 1", read_fault_chance<&LinkFaults::duplication>},
    {"reorder", "P", "chance from 0 to 1", read_fault_chance<&LinkFaults::reordering>},
    {"corrupt", "P", "chance from 0 to 1", read_fault_chance<&LinkFaults::corruption>},
    {"seed", "N", "number of 64 bits", read_seed},
    {"gemodel", "P:R:1-H:1-K", "two to four chances from 0 to 1 with colons between them", read_bursts},
    {"delay", "TIME", "time of up to an hour, with its unit, as 20ms", read_fault_time<&LinkFaults::delay>},
    {"jitter", "TIME", "time of up to an hour, with its unit, as 20ms", read_fault_time<&LinkFaults::jitter>},
    {"rate", "RATE", "rate from 1k to 9T bits per second, as 10Mbit/s", read_line_rate},
    {"limit", "N", "number of frames from 1 to 1000000", read_line_limit},
}};

std::string_view find_mistake(const LinkFaults& faults) noexcept {
    for (const double chance :
         {faults.loss, faults.duplication, faults.reordering, faults.corruption, faults.bursts.to_bad,
          faults.bursts.to_good, faults.bursts.in_bad, faults.bursts.in_good})
        if (!is_chance(chance)) return "a chance is not from 0 to 1";
    for (const auto time : {faults.delay, faults.jitter})
        if (time.count() < 0 || time > max_delay) return "a time is not from 0 to an hour";
    if (faults.rate != 0 && (faults.rate < min_line_rate || faults.rate > max_line_rate))
        return "the rate is neither 0 nor from 1k to 9T bits per second";
    if (faults.limit == 0 || faults.limit > max_line_limit) return "the limit is not from 1 to 1000000 frames";
    return {};
}

const FaultKey* find_fault_key(std::string_view name) noexcept {
    const auto found = std::ranges::find(fault_keys, name, &FaultKey::name);
    return found == fault_keys.end() ? nullptr : &*found;
}

std::string set_fault(LinkFaults& faults, const FaultKey& key, std::string_view value) {
    if (key.read(faults, value)) return {};
    return fmt::format("{} \"{}\" is no {}", key.name, value, key.range);
}

bool HeldFrame::keep(const RxFrame& frame) noexcept try {
    bytes_.assign(frame.data, frame.data + frame.length);
    frame_ = frame;
    frame_.data = bytes_.data();
    frame_.head = nullptr;
    return held_ = true;
} catch (const std::bad_alloc&) {
    return false;
}

void FrameFaults::set(const LinkFaults& faults) {
    faults_ = faults;
    any_ = any_of(faults);
    generator_.seed(faults.seed);
    in_burst_ = false;
}

// As loss_gilb_ell() of the kernel's net/sched/sch_netem.c.
bool FrameFaults::burst_loses() noexcept {
    const Impairments::BurstLoss& bursts = faults_.bursts;
    const bool was_in_burst = in_burst_;
    if (drawn(was_in_burst ? bursts.to_good : bursts.to_bad)) in_burst_ = !was_in_burst;
    return drawn(was_in_burst ? bursts.in_bad : bursts.in_good);
}

// As tabledist() there, without a table.
std::chrono::nanoseconds FrameFaults::delay() noexcept {
    if (faults_.jitter.count() == 0) return faults_.delay;
    std::uniform_int_distribution<std::int64_t> offset{-faults_.jitter.count(), faults_.jitter.count()};
    return std::max(faults_.delay + std::chrono::nanoseconds{offset(generator_)}, std::chrono::nanoseconds{0});
}

bool FrameFaults::skips_delay() noexcept {
    if (!drawn(faults_.reordering)) return false;
    ++counts_.reordered;
    return true;
}

RxFrame FrameFaults::damaged(const RxFrame& frame) noexcept {
    // Drawn in any case: what becomes of later frames doesn't depend on memory.
    const std::uint64_t bit = generator_() % (std::uint64_t{frame.length} * 8);
    try {
        damaged_.assign(frame.data, frame.data + frame.length);
    } catch (const std::bad_alloc&) {
        return frame;
    }
    damaged_[bit / 8] = static_cast<std::uint8_t>(damaged_[bit / 8] ^ (1U << (bit % 8)));
    ++counts_.corrupted;
    RxFrame copy = frame;
    copy.data = damaged_.data();
    copy.head = nullptr;
    copy.checksum_ok = false;  // nobody has looked at it since
    return copy;
}

}  // namespace pktverbs::soft
