// SPDX-License-Identifier: Apache-2.0
// Protection domains.
#include "soft/control_verbs.hpp"

#include <cerrno>
#include <memory>

namespace pktverbs::soft::control {

ibv_pd* alloc_pd(ibv_context* context) {
    return guarded([context]() -> ibv_pd* {
        auto domain = std::make_unique<Domain>();
        domain->context = context;
        Nic& nic = Nic::of(context);
        const std::lock_guard lock{nic.objects_mutex()};
        ++nic.objects;
        return domain.release();
    });
}

int dealloc_pd(ibv_pd* pd) {
    auto* domain = static_cast<Domain*>(pd);
    Nic& nic = Nic::of(pd->context);
    if (in_use(nic, domain->users)) return EBUSY;
    int none = 0;
    count(nic, none, -1);
    delete domain;
    return 0;
}

}  // namespace pktverbs::soft::control
