// SPDX-License-Identifier: Apache-2.0
// Error: what the user reads when the connection manager or a completion fails.
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

/// What it throws: an error for later, whose words are put together inside, so that a lack of memory is caught, too.
template <class Throwing>
std::exception_ptr caught(Throwing&& throwing) noexcept {
    try {
        std::forward<Throwing>(throwing)();
    } catch (...) {
        return std::current_exception();
    }
    return {};
}
/// Calls `tell` with the std::system_error that was caught, or with ENOMEM where there was no memory for it.
template <class Tell>
void tell_caught(const std::exception_ptr& failure, Tell&& tell) {
    try {
        std::rethrow_exception(failure);
    } catch (const std::system_error& error) {
        tell(error);
    } catch (const std::bad_alloc&) {
        tell(std::system_error{ENOMEM, std::generic_category()});
    }
}
std::error_code code_of(const std::exception_ptr& failure) noexcept;

/// librdmacm's convention: -1 with errno, or a null pointer with errno.
template <class Call>
void check_cm(const CmAction& action, Call&& call) {
    errno = 0;
    if (std::forward<Call>(call)() != 0) throw_cm_error(errno != 0 ? errno : EIO, action);
}

/// The errno of an event's status: a negative errno, or what a connection manager gives otherwise.
int errno_of_status(int status, int otherwise) noexcept;
/// The errno that says best what a failed completion means, and what to do about it.
int errno_of(ibv_wc_status status) noexcept;
std::string_view hint_for(ibv_wc_status status, bool sending) noexcept;

}  // namespace pktverbs::messages
