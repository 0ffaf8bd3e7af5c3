// SPDX-License-Identifier: Apache-2.0
// Shared by the functions that we export.
#pragma once

#include <cerrno>

#include "dropin/system_library.hpp"

/// A function that programs find in place of the system's. cmake/pktverbs-verbs.map.in or pktverbs-rdmacm.map.in has
/// its version.
#define PKTVERBS_EXPORTED extern "C" __attribute__((visibility("default")))

/// The function in `library` that one of ours replaces, looked up once.
#define PKTVERBS_SYSTEM(library, name, version)                                                                    \
    ([]() noexcept {                                                                                               \
        static const auto system_function = reinterpret_cast<decltype(&::name)>(library.function(#name, version)); \
        return system_function;                                                                                    \
    }())

namespace pktverbs::dropin {

/// The result of a function that the soft device lacks, if it returns objects or -1.
template <class Object>
Object* unsupported() noexcept {
    errno = EOPNOTSUPP;
    return nullptr;
}
inline int unsupported_minus_one() noexcept {
    errno = EOPNOTSUPP;
    return -1;
}

}  // namespace pktverbs::dropin
