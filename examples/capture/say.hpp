// SPDX-License-Identifier: Apache-2.0
// say: prints what nobody has to read.
#pragma once

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <climits>
#include <string_view>

namespace capture {

/// Writes text to a descriptor. A recording goes on when who reads it has gone, or reads no more: what isn't taken
/// within `patience` is left out.
inline void say(int descriptor, std::string_view text,
                std::chrono::milliseconds patience = std::chrono::milliseconds{0}) noexcept {
    while (!text.empty()) {
        pollfd room{.fd = descriptor, .events = POLLOUT, .revents = 0};
        if (::poll(&room, 1, static_cast<int>(patience.count())) <= 0) return;
        // pipe(7): for so much there is room, and it stays in one piece.
        const auto written = ::write(descriptor, text.data(), std::min<std::size_t>(text.size(), PIPE_BUF));
        if (written <= 0) return;
        text.remove_prefix(static_cast<std::size_t>(written));
    }
}

}  // namespace capture
