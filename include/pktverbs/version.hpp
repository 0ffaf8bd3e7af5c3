// SPDX-License-Identifier: Apache-2.0
// The library's version.
#pragma once

#include <string_view>

#include <pktverbs/export.hpp>

// The one place of these numbers: CMake reads them here.
#define PKTVERBS_VERSION_MAJOR 0
#define PKTVERBS_VERSION_MINOR 2
#define PKTVERBS_VERSION_PATCH 0

/// The version of these headers as one number, to compare: 1.2.3 is 10203.
#define PKTVERBS_VERSION (PKTVERBS_VERSION_MAJOR * 10000 + PKTVERBS_VERSION_MINOR * 100 + PKTVERBS_VERSION_PATCH)

namespace pktverbs {

/// Returns the version of the library that is loaded, as "0.2.0". Its headers may have been others': before 1.0, both
/// must have the same minor version, which the loader sees to, as it is part of the library's file name.
PKTVERBS_EXPORT std::string_view version() noexcept;

}  // namespace pktverbs
