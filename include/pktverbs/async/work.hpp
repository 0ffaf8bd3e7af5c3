// SPDX-License-Identifier: Apache-2.0
// Work: something that Executor::run() waits for, besides tasks.
#pragma once

#include <pktverbs/export.hpp>

namespace pktverbs::async {

class Executor;

/// Keeps Executor::run() from returning while callbacks have something left to do.
///
/// It must end before its executor, in the executor's thread.
class PKTVERBS_EXPORT Work {
public:
    /// Counts until the end of this object.
    explicit Work(Executor& executor) noexcept;
    Work(const Work&) = delete;
    Work& operator=(const Work&) = delete;
    ~Work();

private:
    Executor* executor_;
};

}  // namespace pktverbs::async
