// SPDX-License-Identifier: Apache-2.0
// join: the texts of a list's elements, with a separator between them.
#pragma once

#include <concepts>
#include <string>
#include <string_view>
#include <type_traits>

namespace pktverbs {

template <class List, class ToText>
std::string join(const List& list, std::string_view separator, ToText&& to_text) {
    std::string text;
    bool is_first = true;
    for (const auto& element : list) {
        if (!is_first) text += separator;
        text += to_text(element);
        is_first = false;
    }
    return text;
}

/// Of strings, or of integers.
template <class List>
std::string join(const List& list, std::string_view separator) {
    return join(list, separator, [](const auto& element) {
        if constexpr (std::integral<std::remove_cvref_t<decltype(element)>>)
            return std::to_string(element);
        else
            return std::string_view{element};
    });
}

}  // namespace pktverbs
