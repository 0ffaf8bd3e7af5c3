// SPDX-License-Identifier: Apache-2.0
// check_options: what no device can grant.
#pragma once

#include <string_view>

#include <pktverbs/options.hpp>

namespace pktverbs {

/// Throws std::system_error, with the name of the device that was to be opened: EINVAL, or EOPNOTSUPP for what does not
/// go together.
void check_options(const Options& options, std::string_view device);

}  // namespace pktverbs
