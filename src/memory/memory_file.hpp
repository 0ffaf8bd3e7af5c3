// SPDX-License-Identifier: Apache-2.0
// memory_file: whether a file may be mapped that others have, too.
#pragma once

#include <sys/stat.h>
#include <sys/types.h>

#include <string>

namespace pktverbs {

/// Throws std::system_error, "cannot WHAT: reason (what to do)", unless it is a file that nobody can cut short, or one
/// that only `user` can open. `seals` as F_GET_SEALS gives them: -1 for a file that has none.
void check_memory_file(const struct stat& status, int seals, uid_t user, const std::string& what);

}  // namespace pktverbs
