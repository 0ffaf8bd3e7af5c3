// SPDX-License-Identifier: Apache-2.0
// Makes completion channels and completion queues, for contexts and for the verbs objects.
#pragma once

#include <infiniband/verbs.h>

#include <cerrno>
#include <string_view>

#include <pktverbs/verbs/handle.hpp>

#include "verbs/port.hpp"

namespace pktverbs::verbs {

/// Makes a non-blocking channel. Throws std::system_error.
CompChannelHandle make_completion_channel(const Port& port);

/// Makes a completion queue by the attributes that both verbs have. `what` is the action, for errors. Throws
/// std::system_error.
CqHandle make_completion_queue(const Port& port, const ibv_cq_init_attr_ex& attr, std::string_view what);

/// Makes one with attr.wc_flags. Returns null if the device has none with these. Throws std::system_error.
ibv_cq_ex* make_extended_completion_queue(const Port& port, const ibv_cq_init_attr_ex& attr, std::string_view what);

/// Returns the errno for the result of a data path verb that failed: not every negative number is an errno (libmlx5's
/// poll returns -2 for a completion that it cannot read).
inline int errno_of(int result) noexcept { return result > 0 ? result : EIO; }

}  // namespace pktverbs::verbs
