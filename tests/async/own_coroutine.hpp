// SPDX-License-Identifier: Apache-2.0
// OwnCoroutine: a coroutine of a user's own kind, which knows no executor: starts at once, ends itself.
#pragma once

#include <coroutine>
#include <exception>

namespace pktverbs::testing {

struct OwnCoroutine {
    struct promise_type {
        OwnCoroutine get_return_object() const noexcept { return {}; }
        std::suspend_never initial_suspend() const noexcept { return {}; }
        std::suspend_never final_suspend() const noexcept { return {}; }
        void return_void() const noexcept {}
        void unhandled_exception() const noexcept { std::terminate(); }
    };
};

}  // namespace pktverbs::testing
