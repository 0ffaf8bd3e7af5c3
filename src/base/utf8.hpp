// SPDX-License-Identifier: Apache-2.0
// utf8_length: checks whether outside text may go where only UTF-8 is allowed, as in JSON.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace pktverbs {

/// The bytes of the character that `text` starts with; 0 if that is not UTF-8 (RFC 3629, 4: no overlong forms, no
/// surrogates, nothing above U+10FFFF). `text` must not be empty.
constexpr std::size_t utf8_length(std::string_view text) noexcept {
    const auto byte = [text](std::size_t i) { return static_cast<std::uint8_t>(text[i]); };
    const auto first = byte(0);
    if (first < 0x80) return 1;
    const std::size_t length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
    if (first < 0xc2 || first > 0xf4 || text.size() < length) return 0;
    for (std::size_t i = 1; i < length; ++i)
        if ((byte(i) & 0xc0) != 0x80) return 0;
    const bool overlong = (first == 0xe0 && byte(1) < 0xa0) || (first == 0xf0 && byte(1) < 0x90);
    const bool beyond = (first == 0xed && byte(1) > 0x9f) || (first == 0xf4 && byte(1) > 0x8f);
    return overlong || beyond ? 0 : length;
}

}  // namespace pktverbs
