// SPDX-License-Identifier: Apache-2.0
// What the functions that we export have in common.
#pragma once

#include <cerrno>

#include "dropin/system_library.hpp"

/// A function that programs find in place of the system's. Its version stands in cmake/pktverbs-verbs.map.in or
/// pktverbs-rdmacm.map.in.
#define PKTVERBS_EXPORTED extern "C" __attribute__((visibility("default")))

/// The function of `library` that one of ours stands in front of, looked up once.
#define PKTVERBS_SYSTEM(library, name, version)                                                                    \
    ([]() noexcept {                                                                                               \
        static const auto system_function = reinterpret_cast<decltype(&::name)>(library.function(#name, version)); \
        return system_function;                                                                                    \
    }())

namespace pktverbs::dropin {

/// What a function gives for what the soft device hasn't, if it gives objects or -1.
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
