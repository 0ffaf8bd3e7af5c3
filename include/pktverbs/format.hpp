// SPDX-License-Identifier: Apache-2.0
// Lets fmt format every type of this library that has a to_string. No other header includes fmt.
#pragma once

#include <fmt/format.h>

#include <concepts>
#include <string_view>
#include <type_traits>

namespace pktverbs {

/// Marks the namespaces whose types fmt formats by their to_string. It is found by argument-dependent lookup only, so
/// types of other libraries are left alone.
template <class T>
void has_text_for_fmt(const T&);

// clang-format off
namespace async { using pktverbs::has_text_for_fmt; }
namespace messages { using pktverbs::has_text_for_fmt; }
namespace net { using pktverbs::has_text_for_fmt; }
namespace route { using pktverbs::has_text_for_fmt; }
namespace soft { using pktverbs::has_text_for_fmt; }
namespace verbs { using pktverbs::has_text_for_fmt; }
// clang-format on

namespace text {

void has_text_for_fmt();  // hides the outer one from lookup without arguments

template <class T>
concept HasMember = std::is_class_v<T> && requires(const T& value) {
    { value.to_string() } -> std::convertible_to<std::string_view>;
};
template <class T>
concept HasFunction = std::is_enum_v<T> && requires(T value) {
    { to_string(value) } -> std::convertible_to<std::string_view>;
};
/// A class or an enumeration of this library that has a to_string.
template <class T>
concept Formattable = (HasMember<T> || HasFunction<T>)&&requires(const T& value) {
    has_text_for_fmt(value);
};

}  // namespace text

}  // namespace pktverbs

/// Formats the value's text; takes the specifications of a string: width, fill, alignment, precision. A full
/// specialization for a class derived from one of ours comes before it.
template <pktverbs::text::Formattable T>
struct fmt::formatter<T> : fmt::formatter<std::string_view> {
    template <class FormatContext>
    auto format(const T& value, FormatContext& ctx) const {
        if constexpr (pktverbs::text::HasMember<T>)
            return fmt::formatter<std::string_view>::format(value.to_string(), ctx);
        else
            return fmt::formatter<std::string_view>::format(to_string(value), ctx);
    }
};
