// SPDX-License-Identifier: Apache-2.0
// set_non_blocking: prepares a descriptor from which events are read.
#pragma once

#include <fcntl.h>

#include <cerrno>

#include <pktverbs/verbs/error.hpp>

namespace pktverbs::verbs {

/// Makes reading from `fd` return EAGAIN when there are no events. Throws std::system_error, about `action`.
inline void set_non_blocking(int fd, const Action& action) {
    const int flags = fcntl(fd, F_GETFL);
    if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0) throw_error(errno, action);
}

}  // namespace pktverbs::verbs
