// SPDX-License-Identifier: Apache-2.0
#include <pktverbs/verbs/protection_domain.hpp>

#include <pktverbs/verbs/handle.hpp>

#include <utility>

namespace pktverbs::verbs {

ProtectionDomain::ProtectionDomain(OpenDevice device) : device_{std::move(device)} {
    const Provider& provider = device_.provider();
    pd_ = PdHandle{check_pointer(device_.action("alloc_pd", "allocate a protection domain"),
                                 [&] { return provider.alloc_pd(device_.raw()); }),
                   {&provider}};
}

}  // namespace pktverbs::verbs
