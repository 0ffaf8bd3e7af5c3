// SPDX-License-Identifier: Apache-2.0
// say: prints, and doesn't mind if nobody reads it any more.
#pragma once

#include <cstdio>
#include <string>

namespace capture {

/// A recording goes on when its output's reader has gone, which fmt::print would throw for.
inline void say(const std::string& text) noexcept {
    std::fputs(text.c_str(), stdout);
    std::fflush(stdout);
}

}  // namespace capture
