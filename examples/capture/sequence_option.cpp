// SPDX-License-Identifier: Apache-2.0
#include "sequence_option.hpp"

#include <bit>
#include <cstdint>

#include "common/parse_decimal.hpp"

namespace capture {

std::optional<pktverbs::SequenceField> parse_sequence(std::string_view text) {
    using example::parse_decimal;
    constexpr std::uint32_t longest_payload = 65507;
    const auto first = text.find(':');
    if (first == std::string_view::npos) return {};
    const auto second = text.find(':', first + 1);
    const auto offset = parse_decimal<std::uint32_t>(text.substr(0, first));
    const auto width = parse_decimal<std::uint32_t>(
        text.substr(first + 1, second == std::string_view::npos ? second : second - first - 1));
    if (!offset || !width || *width < 1 || *width > 8 || *offset > longest_payload - *width) return {};

    pktverbs::SequenceField field{.from = pktverbs::SequenceOrigin::udp_payload, .offset = *offset, .width = *width};
    if (second == std::string_view::npos) return field;
    const auto order = text.substr(second + 1);
    if (order != "big" && order != "little") return {};
    field.order = order == "little" ? std::endian::little : std::endian::big;
    return field;
}

}  // namespace capture
