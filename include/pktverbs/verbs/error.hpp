// SPDX-License-Identifier: Apache-2.0
// Error: the one funnel from verbs' three error conventions to std::system_error.
#pragma once

#include <cerrno>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include <pktverbs/export.hpp>

namespace pktverbs::verbs {

/// What failed: "cannot VERB OBJECT: cause (what to do)".
struct Action {
    std::string_view verb;    ///< the libibverbs name without ibv_: "create_qp"
    std::string_view what;    ///< in words: "create a raw packet queue pair", "query the port of", "open"
    std::string_view object;  ///< "mlx5_0", put behind `what`, with "on" where that is needed; may be empty
};

/// Throws std::system_error with `error` (an errno) and, where the verb and the errno
/// have a likely cause, what to do about it.
[[noreturn]] PKTVERBS_EXPORT void throw_error(int error, const Action& action);

/// Throws std::system_error with "cannot WHAT: cause (HINT)"; the cause is the errno's text.
[[noreturn]] PKTVERBS_EXPORT void throw_error(int error, std::string_view what, std::string_view hint);

/// Throws std::system_error whose what() is `message` and nothing else.
[[noreturn]] PKTVERBS_EXPORT void throw_message(int error, const std::string& message);

/// The hint that throw_error adds for a verb and an errno; empty if it knows none.
PKTVERBS_EXPORT std::string_view error_hint(std::string_view verb, int error) noexcept;

/// Verbs that give a pointer: null means failure, with errno. Some forget to set it, so
/// it is cleared first, and a forgotten one becomes EIO.
template <class Call>
auto* check_pointer(const Action& action, Call&& call) {
    errno = 0;
    auto* result = std::forward<Call>(call)();
    if (!result) throw_error(errno ? errno : EIO, action);
    return result;
}

/// Verbs that give a number: a positive errno, -1 with errno, or a negative errno. A -1
/// is never read as -EPERM: with errno forgotten, it becomes EIO.
template <class Call>
void check_result(const Action& action, Call&& call) {
    errno = 0;
    const int result = std::forward<Call>(call)();
    if (result == 0) return;
    throw_error(result > 0 ? result : result < -1 ? -result : errno ? errno : EIO, action);
}

}  // namespace pktverbs::verbs
