// SPDX-License-Identifier: Apache-2.0
#include "soft/link/frame_faults.hpp"

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

double& chance_of(LinkFaults& faults, std::string_view key) noexcept {
    if (key == "loss") return faults.loss;
    if (key == "duplicate") return faults.duplication;
    return key == "reorder" ? faults.reordering : faults.corruption;
}

}  // namespace

std::string set_fault(LinkFaults& faults, std::string_view key, std::string_view value) {
    if (key == "seed") {
        const auto seed = parse_decimal<std::uint64_t>(value);
        if (!seed) return fmt::format("seed \"{}\" is no number of 64 bits", value);
        faults.seed = *seed;
        return {};
    }
    const auto chance = parse_fraction(value);
    if (!chance || !(*chance >= 0 && *chance <= 1))
        return fmt::format("{} \"{}\" is no chance from 0 to 1", key, value);
    chance_of(faults, key) = *chance;
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
