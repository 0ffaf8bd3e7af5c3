// SPDX-License-Identifier: Apache-2.0
// Error: the errors of the connection manager and of completions.
#pragma once

#include <infiniband/verbs.h>

#include <cerrno>
#include <exception>
#include <new>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

namespace pktverbs::messages {

/// As verbs::Action: `verb` is the librdmacm name without rdma_.
struct CmAction {
    std::string_view verb;
    std::string what;
};

/// Throws std::system_error: "cannot WHAT: cause (what to do)".
[[noreturn]] void throw_cm_error(int error, const CmAction& action);
std::string_view cm_error_hint(std::string_view verb, int error) noexcept;

/// Returns the exception that the call throws, to report it later. The call also makes its text, so running out of
/// memory for the text is caught, too.
template <class Throwing>
std::exception_ptr caught(Throwing&& throwing) noexcept {
    try {
        std::forward<Throwing>(throwing)();
    } catch (...) {
        return std::current_exception();
    }
    return {};
}
/// Calls `report` with the caught std::system_error, or with ENOMEM if there was no memory for one.
template <class Report>
void report_caught(const std::exception_ptr& failure, Report&& report) {
    try {
        std::rethrow_exception(failure);
    } catch (const std::system_error& error) {
        report(error);
    } catch (const std::bad_alloc&) {
        report(std::system_error{ENOMEM, std::generic_category()});
    }
}
std::error_code code_of(const std::exception_ptr& failure) noexcept;

/// librdmacm's convention: -1 with errno, or a null pointer with errno.
template <class Call>
void check_cm(const CmAction& action, Call&& call) {
    errno = 0;
    if (std::forward<Call>(call)() != 0) throw_cm_error(errno != 0 ? errno : EIO, action);
}

/// The errno in an event's status, which is a negative errno; `otherwise` if it is another number.
int errno_of_status(int status, int otherwise) noexcept;
/// The errno that fits a failed completion best, and what to do about it.
int errno_of(ibv_wc_status status) noexcept;
std::string_view hint_for(ibv_wc_status status, bool sending) noexcept;

}  // namespace pktverbs::messages
