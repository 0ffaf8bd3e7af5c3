// SPDX-License-Identifier: Apache-2.0
// failure: a failing verb's result, in the verb's own convention.
#pragma once

#include <cerrno>
#include <string_view>
#include <type_traits>

namespace pktverbs::verbs {

/// Sets errno as well, as drivers do. `verb` is the libibverbs name without ibv_; the conventions are the man pages'.
template <class Result>
Result failure(std::string_view verb, int error) noexcept {
    errno = error;
    if constexpr (std::is_pointer_v<Result>) {
        return nullptr;
    } else {
        if (verb == "query_gid" || verb == "get_async_event" || verb == "get_cq_event") return -1;
        return verb == "poll_cq" || verb == "query_gid_table" ? -error : error;  // their man pages: negative
    }
}

}  // namespace pktverbs::verbs
