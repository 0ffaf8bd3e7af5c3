// SPDX-License-Identifier: Apache-2.0
// Refusal: why an AF_XDP socket or program can't be had, and what to do about it.
#pragma once

#include <string>
#include <string_view>

#include "interface/interface.hpp"

namespace pktverbs::soft::xdp {

/// Throws OpenFailure: "cannot WHAT INTERFACE". EPERM without a hint gets one.
[[noreturn]] void refuse(int error, std::string_view what, const Interface& interface, std::string hint = {});

/// Throws OpenFailure (EPERM) with the names of all capabilities that the calling thread lacks.
void require_capabilities(const Interface& interface);

}  // namespace pktverbs::soft::xdp
