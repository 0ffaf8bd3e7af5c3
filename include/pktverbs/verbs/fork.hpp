// SPDX-License-Identifier: Apache-2.0
// Forking: what a program that forks needs of libibverbs.
#pragma once

#include <pktverbs/export.hpp>

namespace pktverbs::verbs {

/// Keeps the memory that hardware works on from children (ibv_fork_init(3)); needless where fork_is_safe() already.
/// Call it before anything else of libibverbs. The library's own memory is kept from children in any case.
///
/// The child itself may only exec or _exit: to let a Context end in it touches memory that it doesn't have. All
/// descriptors are closed by exec. Throws std::system_error: EINVAL if memory was registered before.
PKTVERBS_EXPORT void prepare_fork();

/// Whether children do no harm to memory that hardware works on: by prepare_fork(), or because the kernel copies such
/// memory for them (Linux 5.12; ibv_is_fork_initialized(3)).
PKTVERBS_EXPORT bool fork_is_safe() noexcept;

}  // namespace pktverbs::verbs
