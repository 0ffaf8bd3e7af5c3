// SPDX-License-Identifier: Apache-2.0
// Refusal: why an AF_XDP socket or program can't be had, and what to do about it.
#pragma once

#include <string>
#include <string_view>

#include "interface/interface.hpp"

namespace pktverbs::soft::xdp {

/// Throws std::system_error: "cannot WHAT INTERFACE (HINT)". EPERM without a hint names the capabilities that are
/// missing.
[[noreturn]] void refuse(int error, std::string_view what, const Interface& interface, std::string hint = {});

}  // namespace pktverbs::soft::xdp
