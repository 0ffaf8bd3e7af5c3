// SPDX-License-Identifier: Apache-2.0
#include <pktverbs/verbs/fork.hpp>

#include <infiniband/verbs.h>

#include <pktverbs/verbs/error.hpp>

namespace pktverbs::verbs {

void prepare_fork() {
    check_result({"fork_init", "prepare libibverbs for fork()", {}}, [] { return ibv_fork_init(); });
}

bool fork_is_safe() noexcept { return ibv_is_fork_initialized() != IBV_FORK_DISABLED; }

}  // namespace pktverbs::verbs
