// SPDX-License-Identifier: Apache-2.0
// Memory regions.
#include "soft/control_verbs.hpp"

#include <cerrno>
#include <memory>

namespace pktverbs::soft::control {

ibv_mr* reg_mr(ibv_pd* pd, void* addr, std::size_t length, int access) {
    constexpr int known = IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_WRITE | IBV_ACCESS_REMOTE_READ |
                          IBV_ACCESS_REMOTE_ATOMIC | IBV_ACCESS_HUGETLB | IBV_ACCESS_RELAXED_ORDERING;
    const auto address = reinterpret_cast<std::uint64_t>(addr);
    if (length == 0 || address + length < address) return refuse<ibv_mr>(EINVAL);
    // ibv_reg_mr(3): remote write and atomics need local write.
    const bool writable = (access & IBV_ACCESS_LOCAL_WRITE) != 0;
    if ((access & (IBV_ACCESS_REMOTE_WRITE | IBV_ACCESS_REMOTE_ATOMIC)) != 0 && !writable)
        return refuse<ibv_mr>(EINVAL);
    if ((access & ~known) != 0) return refuse<ibv_mr>(EOPNOTSUPP);
    return guarded([=]() -> ibv_mr* {
        auto mr = std::make_unique<ibv_mr>();
        Nic& nic = Nic::of(pd->context);
        mr->context = pd->context;
        mr->pd = pd;
        mr->addr = addr;
        mr->length = length;
        mr->lkey = mr->rkey = mr->handle = nic.regions().add(pd, address, length, writable);
        if (mr->lkey == 0) return refuse<ibv_mr>(ENOMEM);
        count(nic, static_cast<Domain*>(pd)->users, 1);
        return mr.release();
    });
}

int dereg_mr(ibv_mr* mr) {
    Nic& nic = Nic::of(mr->context);
    nic.regions().revoke(mr->lkey);
    nic.quiesce();  // the memory is the caller's again: nothing may still be copying to or from it
    nic.regions().release(mr->lkey);
    count(nic, static_cast<Domain*>(mr->pd)->users, -1);
    delete mr;
    return 0;
}

}  // namespace pktverbs::soft::control
