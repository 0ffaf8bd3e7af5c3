// SPDX-License-Identifier: Apache-2.0
// libibverbs' functions on devices and contexts: soft ones are served here, others by the system's library.
#include <infiniband/verbs.h>
#include <pktverbs/soft/device.hpp>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <new>
#include <string>

#include "base/capability_hints.hpp"
#include "dropin/private.hpp"
#include "dropin/process.hpp"
#include "dropin/system_verbs.hpp"
#include "soft/nic/gid_table.hpp"
#include "soft/verbs/control_verbs.hpp"
#include "verbs/reason.hpp"

#undef ibv_query_port

using namespace pktverbs::dropin;
namespace soft = pktverbs::soft;

namespace {

/// `devices` is the list that ibv_get_device_list(3) returns; the system's list is freed with it.
struct DeviceList {
    ibv_device** of_system;
    ibv_device* devices[1];

    static DeviceList& of(ibv_device** devices) noexcept {
        return *reinterpret_cast<DeviceList*>(reinterpret_cast<std::byte*>(devices) - offsetof(DeviceList, devices));
    }
};

/// The structure before it grew: the exported ibv_query_port() writes no more (struct _compat_ibv_port_attr in
/// libibverbs).
constexpr std::size_t compat_port_attr_size = offsetof(ibv_port_attr, port_cap_flags2);

/// The object that an asynchronous event is about; null for events that belong to no object and need no
/// acknowledgement.
const ibv_context* context_of(const ibv_async_event& event) noexcept {
    switch (event.event_type) {
        case IBV_EVENT_CQ_ERR:
            return event.element.cq->context;
        case IBV_EVENT_QP_FATAL:
        case IBV_EVENT_QP_REQ_ERR:
        case IBV_EVENT_QP_ACCESS_ERR:
        case IBV_EVENT_COMM_EST:
        case IBV_EVENT_SQ_DRAINED:
        case IBV_EVENT_PATH_MIG:
        case IBV_EVENT_PATH_MIG_ERR:
        case IBV_EVENT_QP_LAST_WQE_REACHED:
            return event.element.qp->context;
        case IBV_EVENT_SRQ_ERR:
        case IBV_EVENT_SRQ_LIMIT_REACHED:
            return event.element.srq->context;
        case IBV_EVENT_WQ_FATAL:
            return event.element.wq->context;
        default:
            return nullptr;
    }
}

}  // namespace

PKTVERBS_EXPORTED ibv_device** ibv_get_device_list(int* num_devices) {
    int of_system_count = 0;
    errno = 0;
    ibv_device** const of_system = PKTVERBS_SYSTEM_VERB(ibv_get_device_list, "IBVERBS_1.1")(&of_system_count);
    const int error = errno;
    if (num_devices) *num_devices = 0;
    const auto ours = devices().list();
    // Null with errno on a machine without RDMA; returned as is if there are no soft devices.
    if (!of_system && ours.empty()) {
        errno = error;
        return nullptr;
    }
    const auto count = static_cast<std::size_t>(of_system_count) + ours.size();
    void* const memory = ::operator new(sizeof(DeviceList) + count * sizeof(ibv_device*), std::nothrow);
    if (!memory) {
        if (of_system) PKTVERBS_SYSTEM_VERB(ibv_free_device_list, "IBVERBS_1.1")(of_system);
        errno = ENOMEM;
        return nullptr;
    }
    auto* const list = static_cast<DeviceList*>(memory);
    list->of_system = of_system;
    // Soft ones first: a user who configures them wants them, and a program that takes the first device, or the first
    // with some interface's GID, must get them.
    ibv_device** end = std::ranges::copy(ours, list->devices).out;
    end = std::copy_n(of_system, of_system ? of_system_count : 0, end);
    *end = nullptr;
    if (num_devices) *num_devices = static_cast<int>(count);
    errno = 0;
    return list->devices;
}

PKTVERBS_EXPORTED void ibv_free_device_list(ibv_device** devices) {
    if (!devices) return;
    DeviceList& list = DeviceList::of(devices);
    if (list.of_system) PKTVERBS_SYSTEM_VERB(ibv_free_device_list, "IBVERBS_1.1")(list.of_system);
    ::operator delete(&list);
}

PKTVERBS_EXPORTED const char* ibv_get_device_name(ibv_device* device) { return device->name; }

PKTVERBS_EXPORTED __be64 ibv_get_device_guid(ibv_device* device) {
    return devices().owns(device) ? devices().guid(device)
                                  : PKTVERBS_SYSTEM_VERB(ibv_get_device_guid, "IBVERBS_1.1")(device);
}

// The kernel numbers its devices from 0. Without numbers, programs such as librdmacm would distinguish soft from real
// devices by their GUIDs alone, which are the same for both on one interface.
PKTVERBS_EXPORTED int ibv_get_device_index(ibv_device* device) {
    const auto place = devices().place_of(device);
    return place ? INT_MAX - static_cast<int>(*place)
                 : PKTVERBS_SYSTEM_VERB(ibv_get_device_index, "IBVERBS_1.9")(device);
}

PKTVERBS_EXPORTED ibv_context* ibv_open_device(ibv_device* device) {
    if (!devices().owns(device)) return PKTVERBS_SYSTEM_VERB(ibv_open_device, "IBVERBS_1.1")(device);
    ibv_context* const opened = control().open_device(device);
    // Most programs report only that opening failed.
    if (const int error = errno; !opened) {
        std::string reason = pktverbs::verbs::Reason::take(error);
        if (reason.empty() && error == EPERM) reason = pktverbs::net_raw_hint;
        if (!reason.empty()) std::fprintf(stderr, "pktverbs: cannot open %s: %s\n", device->name, reason.c_str());
        errno = error;
    }
    if (opened) wait_for_peer(*opened);
    return opened;
}

PKTVERBS_EXPORTED int ibv_close_device(ibv_context* context) {
    return is_soft(context) ? control().close_device(context)
                            : PKTVERBS_SYSTEM_VERB(ibv_close_device, "IBVERBS_1.1")(context);
}

PKTVERBS_EXPORTED int ibv_query_device(ibv_context* context, ibv_device_attr* attr) {
    return is_soft(context) ? control().query_device(context, attr)
                            : PKTVERBS_SYSTEM_VERB(ibv_query_device, "IBVERBS_1.1")(context, attr);
}

PKTVERBS_EXPORTED int ibv_query_port(ibv_context* context, std::uint8_t port, _compat_ibv_port_attr* attr) {
    if (!is_soft(context)) return PKTVERBS_SYSTEM_VERB(ibv_query_port, "IBVERBS_1.1")(context, port, attr);
    ibv_port_attr whole;
    if (const int error = control().query_port(context, port, &whole)) return error;
    std::memcpy(static_cast<void*>(attr), &whole, compat_port_attr_size);
    return 0;
}

PKTVERBS_EXPORTED int ibv_query_gid(ibv_context* context, std::uint8_t port, int index, ibv_gid* gid) {
    return is_soft(context) ? control().query_gid(context, port, index, gid)
                            : PKTVERBS_SYSTEM_VERB(ibv_query_gid, "IBVERBS_1.1")(context, port, index, gid);
}

PKTVERBS_EXPORTED int _ibv_query_gid_ex(ibv_context* context, std::uint32_t port, std::uint32_t index,
                                        ibv_gid_entry* entry, std::uint32_t flags, std::size_t entry_size) {
    if (!is_soft(context))
        return PKTVERBS_SYSTEM_VERB(_ibv_query_gid_ex, "IBVERBS_1.11")(context, port, index, entry, flags, entry_size);
    ibv_gid_entry whole;
    if (const int error = control().query_gid_ex(context, port, index, &whole, flags)) return error;
    soft::control::copy_sized(entry, entry_size, whole);
    return 0;
}

PKTVERBS_EXPORTED ssize_t _ibv_query_gid_table(ibv_context* context, ibv_gid_entry* entries, std::size_t max_entries,
                                               std::uint32_t flags, std::size_t entry_size) {
    if (!is_soft(context))
        return PKTVERBS_SYSTEM_VERB(_ibv_query_gid_table, "IBVERBS_1.11")(context, entries, max_entries, flags,
                                                                          entry_size);
    std::array<ibv_gid_entry, soft::gid_table_size> whole;
    const ssize_t count = control().query_gid_table(context, whole.data(), std::min(max_entries, whole.size()), flags);
    auto* to = reinterpret_cast<std::byte*>(entries);
    for (ssize_t i = 0; i < count; ++i, to += entry_size)
        soft::control::copy_sized(reinterpret_cast<ibv_gid_entry*>(to), entry_size, whole[static_cast<std::size_t>(i)]);
    return count;
}

// libibverbs exports this for its tools alone (infiniband/driver.h): 0 means RoCE v1 and InfiniBand, 1 means RoCE v2.
PKTVERBS_EXPORTED int ibv_query_gid_type(ibv_context* context, std::uint8_t port, unsigned index, int* type) {
    if (!is_soft(context))
        return PKTVERBS_SYSTEM_VERB(ibv_query_gid_type, PKTVERBS_PRIVATE_VERSION)(context, port, index, type);
    ibv_gid_entry entry;
    const int error = soft::provider().query_gid_ex(context, port, index, &entry, 0);
    if (error != 0 && error != ENODATA) {
        errno = error;
        return -1;
    }
    *type = error == 0 && entry.gid_type == IBV_GID_TYPE_ROCE_V2 ? 1 : 0;
    return 0;
}

PKTVERBS_EXPORTED int ibv_query_pkey(ibv_context* context, std::uint8_t port, int index, __be16* pkey) {
    return is_soft(context) ? soft::control::query_pkey(context, port, index, pkey)
                            : PKTVERBS_SYSTEM_VERB(ibv_query_pkey, "IBVERBS_1.1")(context, port, index, pkey);
}

PKTVERBS_EXPORTED int ibv_get_pkey_index(ibv_context* context, std::uint8_t port, __be16 pkey) {
    if (!is_soft(context)) return PKTVERBS_SYSTEM_VERB(ibv_get_pkey_index, "IBVERBS_1.5")(context, port, pkey);
    return port == 1 && pkey == 0xffff ? 0 : -1;
}

PKTVERBS_EXPORTED int ibv_get_async_event(ibv_context* context, ibv_async_event* event) {
    return is_soft(context) ? control().get_async_event(context, event)
                            : PKTVERBS_SYSTEM_VERB(ibv_get_async_event, "IBVERBS_1.1")(context, event);
}

PKTVERBS_EXPORTED void ibv_ack_async_event(ibv_async_event* event) {
    const ibv_context* const context = context_of(*event);
    if (context && is_soft(context)) return control().ack_async_event(event);
    PKTVERBS_SYSTEM_VERB(ibv_ack_async_event, "IBVERBS_1.1")(event);
}

PKTVERBS_EXPORTED ibv_device* pktverbs_find_device(const sockaddr* address) { return devices().find(*address); }

PKTVERBS_EXPORTED bool pktverbs_has_devices() { return !devices().list().empty(); }
