// SPDX-License-Identifier: Apache-2.0
// Fork: protects the memory of devices when a program forks.
#pragma once

#include <pktverbs/export.hpp>

namespace pktverbs::verbs {

/// Keeps memory that hardware uses out of child processes (ibv_fork_init(3)). Not needed if fork_is_safe() already.
/// Call it before anything else of libibverbs. The library's own memory is kept out of children in any case.
///
/// A child may only exec or _exit: if a Context ended in it, it would touch memory that the child does not have. exec
/// closes all descriptors. Throws std::system_error: EINVAL if memory was registered before.
PKTVERBS_EXPORT void prepare_fork();

/// Whether children do no harm to memory that hardware uses, because of prepare_fork() or because the kernel copies
/// such memory for them (Linux 5.12; ibv_is_fork_initialized(3)).
PKTVERBS_EXPORT bool fork_is_safe() noexcept;

}  // namespace pktverbs::verbs
