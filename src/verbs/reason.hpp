// SPDX-License-Identifier: Apache-2.0
// Reason: what a provider of this library knows about its last failure besides the errno.
#pragma once

#include <string>
#include <utility>

namespace pktverbs::verbs {

/// Of the calling thread. Verbs return an errno and nothing else, so the text goes beside them: a provider sets it when
/// it fails, and throw_error() takes it as the hint.
class Reason {
public:
    static void set(int error, std::string text) noexcept { current() = {error, std::move(text)}; }
    static void clear() noexcept { current() = {}; }
    /// Empty unless the last failure was with this errno.
    static std::string take(int error) noexcept {
        const auto [its_error, text] = std::exchange(current(), {});
        return its_error == error ? text : std::string{};
    }

private:
    using Current = std::pair<int, std::string>;
    static Current& current() noexcept {
        thread_local Current reason;
        return reason;
    }
};

}  // namespace pktverbs::verbs
