// SPDX-License-Identifier: Apache-2.0
#include <pktverbs/verbs/protection_domain.hpp>

#include <pktverbs/verbs/handle.hpp>

#include <utility>

#include "verbs/share.hpp"

namespace pktverbs::verbs {

ProtectionDomain::ProtectionDomain(OpenDevice device) : device_{std::move(device)} {
    const Provider& provider = device_.provider();
    PdHandle pd{check_pointer(device_.action("alloc_pd", "allocate a protection domain"),
                              [&] { return provider.alloc_pd(device_.raw()); }),
                {&provider}};
    pd_ = share(std::move(pd), device_);
}

}  // namespace pktverbs::verbs
