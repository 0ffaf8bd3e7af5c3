// SPDX-License-Identifier: Apache-2.0
// Domain: the soft device's ibv_pd: a protection domain, or a parent domain.
#pragma once

#include <infiniband/verbs.h>

#include "soft/nic/nic.hpp"
#include "soft/nic/object_entry.hpp"

namespace pktverbs::soft {

/// An ibv_td. It has no visible effect: locks stay.
struct ThreadDomain final : ibv_td {
    explicit ThreadDomain(Nic& nic)
        : ibv_td{.context = nic.context_base()}, object_entry{nic.objects(), ObjectEntry::Kind::other} {}

    ObjectEntry object_entry;
};

/// A parent domain has its protection domain's handle: memory is checked by the handle.
struct Domain final : ibv_pd {
    explicit Domain(Nic& nic) : ibv_pd{}, object_entry{nic.objects(), ObjectEntry::Kind::domain} {
        context = nic.context_base();
        handle = object_entry.number();
    }
    /// A parent domain; `thread` may be null.
    Domain(Nic& nic, Domain& protection, ThreadDomain* thread)
        : ibv_pd{},
          object_entry{nic.objects(),
                       ObjectEntry::Kind::other,
                       {&protection.object_entry, thread ? &thread->object_entry : nullptr}},
          is_parent{true} {
        context = nic.context_base();
        handle = protection.handle;
    }

    static Domain& of(ibv_pd* pd) noexcept { return *static_cast<Domain*>(pd); }

    ObjectEntry object_entry;
    const bool is_parent = false;
};

}  // namespace pktverbs::soft
