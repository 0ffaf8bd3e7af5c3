// SPDX-License-Identifier: Apache-2.0
#include <pktverbs/version.hpp>

#define PKTVERBS_TEXT(number) #number
#define PKTVERBS_TEXT_OF(major, minor, patch) \
    PKTVERBS_TEXT(major) "." PKTVERBS_TEXT(minor) "." PKTVERBS_TEXT(patch)

namespace pktverbs {

std::string_view version() noexcept {
    return PKTVERBS_TEXT_OF(PKTVERBS_VERSION_MAJOR, PKTVERBS_VERSION_MINOR, PKTVERBS_VERSION_PATCH);
}

}  // namespace pktverbs
