// SPDX-License-Identifier: Apache-2.0
// Work: something that Executor::run() waits for besides its tasks.
#pragma once

#include <pktverbs/export.hpp>

namespace pktverbs::async {

class Executor;

/// While it lives, its executor has something left to wait for: for what is done by callbacks. Must end before its
/// executor, in its thread.
class PKTVERBS_EXPORT Work {
public:
    explicit Work(Executor& executor) noexcept;
    Work(const Work&) = delete;
    Work& operator=(const Work&) = delete;
    ~Work();

private:
    Executor* executor_;
};

}  // namespace pktverbs::async
