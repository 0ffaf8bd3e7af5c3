// SPDX-License-Identifier: Apache-2.0
#include "soft/link/frame_faults.hpp"

#include <algorithm>
#include <charconv>
#include <new>
#include <optional>
#include <system_error>

#include <fmt/core.h>

#include "base/parse_decimal.hpp"

namespace pktverbs::soft {
namespace {

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

}  // namespace

const FaultKey* find_fault_key(std::string_view name) noexcept {
    const auto found = std::ranges::find(fault_keys, name, &FaultKey::name);
    return found == fault_keys.end() ? nullptr : &*found;
}

std::string set_fault(LinkFaults& faults, const FaultKey& key, std::string_view value) {
    if (!key.chance) {
        const auto seed = parse_decimal<std::uint64_t>(value);
        if (!seed) return fmt::format("{} \"{}\" is no number of 64 bits", key.name, value);
        faults.seed = *seed;
        return {};
    }
    const auto chance = parse_fraction(value);
    if (!chance || !(*chance >= 0 && *chance <= 1))
        return fmt::format("{} \"{}\" is no chance from 0 to 1", key.name, value);
    faults.*key.chance = *chance;
    return {};
}

bool HeldFrame::keep(const RxFrame& frame) noexcept try {
    bytes_.assign(frame.data, frame.data + frame.length);
    frame_ = frame;
    frame_.data = bytes_.data();
    return held_ = true;
} catch (const std::bad_alloc&) {
    return false;
}

void FrameFaults::set(const LinkFaults& faults) {
    faults_ = faults;
    any_ = any_of(faults);
    generator_.seed(faults.seed);
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
    copy.checksum_ok = false;  // nobody has looked at it since
    return copy;
}

}  // namespace pktverbs::soft
