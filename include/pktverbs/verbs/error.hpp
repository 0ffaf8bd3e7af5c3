// SPDX-License-Identifier: Apache-2.0
// Error: turns verbs' three error conventions into std::system_error.
#pragma once

#include <cerrno>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include <pktverbs/export.hpp>

namespace pktverbs::verbs {

/// Names what failed, for the message "cannot VERB OBJECT: cause (what to do)".
struct Action {
    std::string_view verb;    ///< the libibverbs name without ibv_: "create_qp"
    std::string_view what;    ///< in words: "create a raw packet queue pair", "query the port of", "open"
    std::string_view object;  ///< "mlx5_0", appended to `what`, with "on" where that is needed; may be empty
};

/// Throws std::system_error with `error` (an errno). If the verb and the errno have a likely cause, the message says
/// what to do about it.
[[noreturn]] PKTVERBS_EXPORT void throw_error(int error, const Action& action);

/// Throws std::system_error with "cannot WHAT: cause (HINT)". The cause is the errno's text.
[[noreturn]] PKTVERBS_EXPORT void throw_error(int error, std::string_view what, std::string_view hint);

/// Throws std::system_error whose what() is exactly `message`.
[[noreturn]] PKTVERBS_EXPORT void throw_message(int error, const std::string& message);

/// Returns the hint that throw_error adds for a verb and an errno; empty if there is none.
PKTVERBS_EXPORT std::string_view error_hint(std::string_view verb, int error) noexcept;

/// Calls a verb that returns a pointer, and throws if it is null, with errno. Some verbs forget to set errno, so it is
/// cleared first, and EIO is used if it stays 0.
template <class Call>
auto* check_pointer(const Action& action, Call&& call) {
    errno = 0;
    auto* result = std::forward<Call>(call)();
    if (!result) throw_error(errno ? errno : EIO, action);
    return result;
}

/// Calls a verb that returns a number, and throws unless it is 0: a positive errno, -1 with errno, or a negative errno.
/// -1 is never read as -EPERM: if errno was not set, EIO is used.
template <class Call>
void check_result(const Action& action, Call&& call) {
    errno = 0;
    const int result = std::forward<Call>(call)();
    if (result == 0) return;
    throw_error(result > 0 ? result : result < -1 ? -result : errno ? errno : EIO, action);
}

}  // namespace pktverbs::verbs
