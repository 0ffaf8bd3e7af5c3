// SPDX-License-Identifier: Apache-2.0
// grant_offloads: who does what, from what was asked for and what a device can.
#pragma once

#include <infiniband/verbs.h>

#include <string_view>

#include <pktverbs/options.hpp>

#include "offload/granted_offloads.hpp"

namespace pktverbs {

/// `device`: all zero if it can't be asked. Throws std::system_error: EOPNOTSUPP for what neither can do, EINVAL for
/// memory that this process can't read and must; with the device's name.
GrantedOffloads grant_offloads(const Options& options, const ibv_device_attr_ex& device, std::string_view name);

/// Whether anything is asked for that needs the extended attributes.
inline bool any_offload(const Options& options) noexcept { return options.offloads != Offloads{}; }

}  // namespace pktverbs
