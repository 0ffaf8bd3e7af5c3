// SPDX-License-Identifier: Apache-2.0
#include "dropin/system_verbs.hpp"

namespace pktverbs::dropin {

const SystemLibrary& system_verbs() noexcept {
    static const SystemLibrary library{PKTVERBS_SYSTEM_LIBRARY};
    return library;
}

}  // namespace pktverbs::dropin
