// SPDX-License-Identifier: Apache-2.0
// Protection domains, thread domains, and parent domains, which combine both.
#include "soft/verbs/control_verbs.hpp"

#include <cerrno>
#include <memory>

namespace pktverbs::soft::control {

namespace {

// It has no visible effect: locks stay.
struct ThreadDomain : ibv_td {
    int users;  ///< under the lock of the NIC's objects
};

void use(const Domain& domain, int change) noexcept {
    if (!domain.protection) return;
    domain.protection->users += change;
    if (domain.thread) static_cast<ThreadDomain*>(domain.thread)->users += change;
}

}  // namespace

ibv_pd* alloc_pd(ibv_context* context) {
    return guarded([context]() -> ibv_pd* {
        auto domain = std::make_unique<Domain>();
        domain->context = context;
        Nic& nic = Nic::of(context);
        const std::lock_guard lock{nic.objects_mutex()};
        domain->handle = ++nic.last_domain;
        ++nic.objects;
        return domain.release();
    });
}

ibv_pd* alloc_parent_domain(ibv_context* context, ibv_parent_domain_init_attr* attr) {
    constexpr std::uint32_t memory = IBV_PARENT_DOMAIN_INIT_ATTR_ALLOCATORS | IBV_PARENT_DOMAIN_INIT_ATTR_PD_CONTEXT;
    if (!attr->pd || attr->pd->context != context || (attr->td && attr->td->context != context))
        return refuse<ibv_pd>(EINVAL);
    if ((attr->comp_mask & ~memory) != 0) return refuse<ibv_pd>(EINVAL);
    if (attr->comp_mask != 0) return refuse<ibv_pd>(EOPNOTSUPP);
    return guarded([=]() -> ibv_pd* {
        auto domain = std::make_unique<Domain>();
        domain->context = context;
        domain->handle = attr->pd->handle;
        domain->protection = static_cast<Domain*>(attr->pd);
        domain->thread = attr->td;
        Nic& nic = Nic::of(context);
        const std::lock_guard lock{nic.objects_mutex()};
        use(*domain, 1);
        ++nic.objects;
        return domain.release();
    });
}

int dealloc_pd(ibv_pd* pd) {
    auto* domain = static_cast<Domain*>(pd);
    Nic& nic = Nic::of(pd->context);
    const std::lock_guard lock{nic.objects_mutex()};
    if (domain->users > 0) return EBUSY;
    use(*domain, -1);
    --nic.objects;
    delete domain;
    return 0;
}

ibv_td* alloc_td(ibv_context* context, ibv_td_init_attr* attr) {
    if (attr->comp_mask != 0) return refuse<ibv_td>(EINVAL);
    return guarded([context]() -> ibv_td* {
        auto domain = std::make_unique<ThreadDomain>();
        domain->context = context;
        int none = 0;
        count(Nic::of(context), none, 1);
        return domain.release();
    });
}

int dealloc_td(ibv_td* td) {
    auto* domain = static_cast<ThreadDomain*>(td);
    Nic& nic = Nic::of(td->context);
    if (in_use(nic, domain->users)) return EBUSY;
    int none = 0;
    count(nic, none, -1);
    delete domain;
    return 0;
}

}  // namespace pktverbs::soft::control
