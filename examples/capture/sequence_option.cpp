// SPDX-License-Identifier: Apache-2.0
#include "sequence_option.hpp"

#include <charconv>
#include <system_error>

namespace capture {

namespace {

std::optional<std::size_t> number(std::string_view text) {
    std::size_t value = 0;
    const auto* end = text.data() + text.size();
    const auto [stop, error] = std::from_chars(text.data(), end, value);
    if (error != std::errc{} || stop != end) return {};
    return value;
}

}  // namespace

std::optional<SequenceOption> SequenceOption::parse(std::string_view text) {
    constexpr std::size_t longest_payload = 65507;
    const auto first = text.find(':');
    if (first == std::string_view::npos) return {};
    const auto second = text.find(':', first + 1);
    const auto offset = number(text.substr(0, first));
    const auto width = number(text.substr(first + 1, second == std::string_view::npos ? second : second - first - 1));
    if (!offset || !width || *width < 1 || *width > 8 || *offset > longest_payload - *width) return {};

    SequenceOption option{.offset = *offset, .width = *width};
    if (second == std::string_view::npos) return option;
    const auto order = text.substr(second + 1);
    if (order != "big" && order != "little") return {};
    option.is_little = order == "little";
    return option;
}

std::optional<std::uint64_t> SequenceOption::read(std::span<const std::uint8_t> payload) const noexcept {
    if (payload.size() < offset + width) return {};
    std::uint64_t value = 0;
    for (std::size_t i = 0; i < width; ++i) value = value << 8 | payload[offset + (is_little ? width - 1 - i : i)];
    return value;
}

}  // namespace capture
