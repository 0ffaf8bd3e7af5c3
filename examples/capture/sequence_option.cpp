// SPDX-License-Identifier: Apache-2.0
#include "sequence_option.hpp"

#include <bit>
#include <charconv>
#include <cstdint>
#include <system_error>

namespace capture {

namespace {

std::optional<std::uint32_t> number(std::string_view text) {
    if (text.size() > 1 && text.front() == '0') return {};  // octal to some
    std::uint32_t value = 0;
    const auto* end = text.data() + text.size();
    const auto [stop, error] = std::from_chars(text.data(), end, value);
    if (error != std::errc{} || stop != end) return {};
    return value;
}

}  // namespace

std::optional<pktverbs::SequenceField> parse_sequence(std::string_view text) {
    constexpr std::uint32_t longest_payload = 65507;
    const auto first = text.find(':');
    if (first == std::string_view::npos) return {};
    const auto second = text.find(':', first + 1);
    const auto offset = number(text.substr(0, first));
    const auto width = number(text.substr(first + 1, second == std::string_view::npos ? second : second - first - 1));
    if (!offset || !width || *width < 1 || *width > 8 || *offset > longest_payload - *width) return {};

    pktverbs::SequenceField field{.from = pktverbs::SequenceOrigin::udp_payload, .offset = *offset, .width = *width};
    if (second == std::string_view::npos) return field;
    const auto order = text.substr(second + 1);
    if (order != "big" && order != "little") return {};
    field.order = order == "little" ? std::endian::little : std::endian::big;
    return field;
}

}  // namespace capture
