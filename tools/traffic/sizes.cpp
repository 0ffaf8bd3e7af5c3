// SPDX-License-Identifier: Apache-2.0
#include "sizes.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <stdexcept>
#include <string>

#include <pktverbs/memory/size.hpp>
#include "common/parse_decimal.hpp"

namespace tool {

namespace {

struct Share {
    std::size_t bytes;
    std::size_t weight;
    std::ptrdiff_t credit = 0;
};

[[noreturn]] void refuse(std::string_view text, std::string_view reason) {
    throw std::invalid_argument{fmt::format(
        "'{}' is no list of sizes: {}; for example 1500, or 64,1500, or 64x7,590x4,1514, or imix", text, reason)};
}

Share parse_share(std::string_view text, std::string_view word) {
    const auto cross = word.find('x');
    const auto bytes = pktverbs::parse_size(word.substr(0, cross));
    if (!bytes || *bytes < 22 || *bytes > 65557)
        refuse(text, fmt::format("'{}' is not a size from 22 to 65557", word.substr(0, cross)));
    if (cross == std::string_view::npos) return {static_cast<std::size_t>(*bytes), 1};
    const auto weight = example::parse_decimal<std::uint16_t>(word.substr(cross + 1));
    if (!weight || *weight == 0) refuse(text, fmt::format("'{}' is not a weight from 1", word.substr(cross + 1)));
    return {static_cast<std::size_t>(*bytes), *weight};
}

}  // namespace

Sizes Sizes::parse(std::string_view text) {
    Sizes sizes;
    auto rest = text;
    if (text == "imix" || text == "IMIX") {
        // The "simple IMIX" of 64, 594 and 1518 bytes, which count the FCS.
        rest = "60x7,590x4,1514";
        sizes.may_grow = true;
    }
    std::vector<Share> shares;
    std::size_t steps = 0;
    for (;;) {
        const auto comma = rest.find(',');
        shares.push_back(parse_share(text, rest.substr(0, comma)));
        steps += shares.back().weight;
        if (comma == std::string_view::npos) break;
        rest.remove_prefix(comma + 1);
    }
    if (steps > max_steps) refuse(text, fmt::format("the weights add up to more than {}", max_steps));
    // Smooth weighted round-robin: each size as far from its like as can be.
    for (std::size_t i = 0; i < steps; ++i) {
        for (auto& share : shares) share.credit += static_cast<std::ptrdiff_t>(share.weight);
        auto& next = *std::ranges::max_element(shares, {}, &Share::credit);
        next.credit -= static_cast<std::ptrdiff_t>(steps);
        sizes.frames.push_back(next.bytes);
    }
    return sizes;
}

}  // namespace tool
