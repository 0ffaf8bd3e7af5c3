// SPDX-License-Identifier: Apache-2.0
// Protection domains, thread domains, and parent domains, which combine both.
#include "soft/verbs/control_verbs.hpp"

#include <cerrno>

#include "soft/nic/domain.hpp"

namespace pktverbs::soft::control {

ibv_pd* alloc_pd(ibv_context* context) {
    return guarded([context]() -> ibv_pd* { return new Domain{Nic::of(context)}; });
}

ibv_pd* alloc_parent_domain(ibv_context* context, ibv_parent_domain_init_attr* attr) {
    constexpr std::uint32_t memory = IBV_PARENT_DOMAIN_INIT_ATTR_ALLOCATORS | IBV_PARENT_DOMAIN_INIT_ATTR_PD_CONTEXT;
    if (!attr->pd || attr->pd->context != context || (attr->td && attr->td->context != context))
        return refuse<ibv_pd>(EINVAL);
    if ((attr->comp_mask & ~memory) != 0) return refuse<ibv_pd>(EINVAL);
    if (attr->comp_mask != 0) return refuse<ibv_pd>(EOPNOTSUPP);
    return guarded([=]() -> ibv_pd* {
        return new Domain{Nic::of(context), Domain::of(attr->pd), static_cast<ThreadDomain*>(attr->td)};
    });
}

int dealloc_pd(ibv_pd* pd) { return destroy_unused(Domain::of(pd)); }

ibv_td* alloc_td(ibv_context* context, ibv_td_init_attr* attr) {
    if (attr->comp_mask != 0) return refuse<ibv_td>(EINVAL);
    return guarded([context]() -> ibv_td* { return new ThreadDomain{Nic::of(context)}; });
}

int dealloc_td(ibv_td* td) { return destroy_unused(*static_cast<ThreadDomain*>(td)); }

}  // namespace pktverbs::soft::control
