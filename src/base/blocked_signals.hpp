// SPDX-License-Identifier: Apache-2.0
// BlockedSignals: blocks signals in the calling thread while it lives. Threads that are started meanwhile keep them
// blocked, so that handlers run in the program's own threads only.
#pragma once

#include <signal.h>

namespace pktverbs {

class BlockedSignals {
public:
    /// Blocks all that can be blocked.
    BlockedSignals() noexcept {
        sigset_t all;
        sigfillset(&all);
        pthread_sigmask(SIG_BLOCK, &all, &before_);
    }
    explicit BlockedSignals(const sigset_t& signals) noexcept { pthread_sigmask(SIG_BLOCK, &signals, &before_); }
    BlockedSignals(const BlockedSignals&) = delete;
    BlockedSignals& operator=(const BlockedSignals&) = delete;
    ~BlockedSignals() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }

private:
    sigset_t before_;
};

}  // namespace pktverbs
