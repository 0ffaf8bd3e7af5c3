// SPDX-License-Identifier: Apache-2.0
#include "dropin/rdmacm_devices.hpp"

#include <cerrno>
#include <cstring>
#include <new>

#include "dropin/private.hpp"

namespace pktverbs::dropin {

RdmacmDevices& RdmacmDevices::of_process() {
    static auto* const devices = new RdmacmDevices;  // never destroyed: a program's own destructors may run later
    return *devices;
}

int RdmacmDevices::open(ibv_device* device, Opened*& opened) {
    opened = &opened_[device];
    errno = 0;
    if (!opened->context) opened->context = ibv_open_device(device);
    if (opened->context && !opened->pd) opened->pd = ibv_alloc_pd(opened->context);
    return opened->pd ? 0 : errno;
}

int RdmacmDevices::bind(rdma_cm_id* id, const sockaddr* address) noexcept try {
    ibv_device* const device = pktverbs_find_device(address);
    if (!device) return ENODEV;
    const std::lock_guard lock{mutex_};
    if (bound_.contains(id)) return EINVAL;
    Opened* opened = nullptr;
    if (const int error = open(device, opened)) return error;
    bound_[id] = device;
    ++opened->users;
    id->verbs = opened->context;
    id->pd = opened->pd;
    id->port_num = 1;
    std::memcpy(&id->route.addr.src_storage, address,
                address->sa_family == AF_INET6 ? sizeof(sockaddr_in6) : sizeof(sockaddr_in));
    return 0;
} catch (const std::bad_alloc&) {
    return ENOMEM;
}

void RdmacmDevices::unbind(rdma_cm_id* id) noexcept {
    const std::lock_guard lock{mutex_};
    const auto found = bound_.find(id);
    if (found == bound_.end()) return;
    Opened& opened = opened_.at(found->second);
    bound_.erase(found);
    id->verbs = nullptr;
    id->pd = nullptr;
    if (--opened.users == 0 && ibv_dealloc_pd(opened.pd) == 0) opened.pd = nullptr;
}

bool RdmacmDevices::is_bound(const rdma_cm_id* id) noexcept {
    const std::lock_guard lock{mutex_};
    return bound_.contains(id);
}

}  // namespace pktverbs::dropin
