// SPDX-License-Identifier: Apache-2.0
// Flow counters.
#include <cerrno>

#include "soft/nic/nic.hpp"
#include "soft/nic/object_entry.hpp"
#include "soft/steering/counters.hpp"
#include "soft/verbs/control_verbs.hpp"

namespace pktverbs::soft::control {

namespace {

struct CountersObject final : Counters {
    explicit CountersObject(Nic& nic)
        : Counters{nic.context_base()}, object_entry{nic.objects(), ObjectEntry::Kind::other} {}

    ObjectEntry object_entry;
};

}  // namespace

ibv_counters* create_counters(ibv_context* context, ibv_counters_init_attr* attr) {
    if (attr->comp_mask != 0) return refuse<ibv_counters>(EOPNOTSUPP);
    return guarded([context]() -> ibv_counters* { return new CountersObject{Nic::of(context)}; });
}

int destroy_counters(ibv_counters* base) {
    auto* const counters = static_cast<CountersObject*>(base);
    if (counters->has_flows()) return EBUSY;
    delete counters;
    return 0;
}

int attach_counters_point_flow(ibv_counters* counters, ibv_counter_attach_attr* attr, ibv_flow* flow) {
    if (flow) return EOPNOTSUPP;
    return static_cast<Counters*>(counters)->attach(*attr);
}

int read_counters(ibv_counters* counters, std::uint64_t* values, std::uint32_t count, std::uint32_t flags) {
    // Nothing is cached, so the preference makes no difference.
    if ((flags & ~std::uint32_t{IBV_READ_COUNTERS_ATTR_PREFER_CACHED}) != 0) return EINVAL;
    return static_cast<Counters*>(counters)->read({values, count});
}

}  // namespace pktverbs::soft::control
