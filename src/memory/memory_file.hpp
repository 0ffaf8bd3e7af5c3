// SPDX-License-Identifier: Apache-2.0
// memory_file: checks whether a file that other processes have open may be mapped.
#pragma once

#include <sys/stat.h>
#include <sys/types.h>

#include <string>

namespace pktverbs {

/// Throws std::system_error, "cannot WHAT: reason (what to do)", unless the file cannot be truncated, or only `user`
/// can open it. `seals` as F_GET_SEALS returns them: -1 for a file that can have none.
void check_memory_file(const struct stat& status, int seals, uid_t user, const std::string& what);

}  // namespace pktverbs
