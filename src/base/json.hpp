// SPDX-License-Identifier: Apache-2.0
// json_string: text as a JSON string.
#pragma once

#include <fmt/core.h>

#include <string>
#include <string_view>

#include "base/utf8.hpp"

namespace pktverbs {

/// With quotation marks, escaped as in RFC 8259, 7; bytes that are not UTF-8 become U+FFFD.
inline std::string json_string(std::string_view text) {
    std::string json = "\"";
    while (!text.empty()) {
        const std::size_t length = utf8_length(text);
        const char c = text.front();
        if (length == 0)
            json += "\\ufffd";
        else if (c == '"' || c == '\\')
            json.append({'\\', c});
        else if (static_cast<unsigned char>(c) < 0x20)
            json += fmt::format("\\u{:04x}", static_cast<unsigned>(c));
        else
            json += text.substr(0, length);
        text.remove_prefix(length == 0 ? 1 : length);
    }
    json += '"';
    return json;
}

}  // namespace pktverbs
