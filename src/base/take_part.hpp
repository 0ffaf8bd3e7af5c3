// SPDX-License-Identifier: Apache-2.0
// take_part: splits a text at a separator, part by part.
#pragma once

#include <algorithm>
#include <string_view>

namespace pktverbs {

/// Removes everything up to and including the next `separator` from the front of `text`; returns it without the
/// separator.
inline std::string_view take_part(std::string_view& text, char separator) noexcept {
    const auto part = text.substr(0, text.find(separator));
    text.remove_prefix(std::min(part.size() + 1, text.size()));
    return part;
}

}  // namespace pktverbs
