// SPDX-License-Identifier: Apache-2.0
// OpenFailure: why a link could not be opened, and what to do about it.
#pragma once

#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include <fmt/core.h>

namespace pktverbs::soft {

/// "cannot WHAT: cause (HINT)". The hint reaches the user through verbs, which lose the rest.
class OpenFailure : public std::system_error {
public:
    OpenFailure(int error, std::string_view what, std::string hint)
        : std::system_error{error, std::generic_category()},
          text_{fmt::format("cannot {}: {} ({})", what, std::generic_category().message(error), hint)},
          hint_{std::move(hint)} {}

    const char* what() const noexcept override { return text_.c_str(); }
    const std::string& hint() const noexcept { return hint_; }

private:
    std::string text_;
    std::string hint_;
};

}  // namespace pktverbs::soft
