// SPDX-License-Identifier: Apache-2.0
// say: prints text that may be lost.
#pragma once

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <climits>
#include <string_view>

namespace capture {

/// Writes text to a descriptor. A recording must go on without a reader, so text that is not taken within `patience` is
/// dropped.
inline void say(int descriptor, std::string_view text,
                std::chrono::milliseconds patience = std::chrono::milliseconds{0}) noexcept {
    while (!text.empty()) {
        pollfd room{.fd = descriptor, .events = POLLOUT, .revents = 0};
        if (::poll(&room, 1, static_cast<int>(patience.count())) <= 0) return;
        // pipe(7): there is room for this much, and it is written in one piece.
        const auto written = ::write(descriptor, text.data(), std::min<std::size_t>(text.size(), PIPE_BUF));
        if (written <= 0) return;
        text.remove_prefix(static_cast<std::size_t>(written));
    }
}

}  // namespace capture
