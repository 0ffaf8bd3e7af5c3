// SPDX-License-Identifier: Apache-2.0
// The soft device's control verbs: each checks what a NIC's driver and firmware would check, then makes the object.
#pragma once

#include <infiniband/verbs.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <new>
#include <system_error>

#include "soft/nic/nic.hpp"

/// Each function is ibv_NAME, with its signature and error convention.
namespace pktverbs::soft::control {

ibv_context* open_device(ibv_device* device);
int close_device(ibv_context* context);
int query_device(ibv_context* context, ibv_device_attr* attr);
int query_device_ex(ibv_context* context, const ibv_query_device_ex_input* input, ibv_device_attr_ex* attr);
int get_async_event(ibv_context* context, ibv_async_event* event);
void ack_async_event(ibv_async_event* event);

int query_port(ibv_context* context, std::uint8_t port, ibv_port_attr* attr);
int query_gid(ibv_context* context, std::uint8_t port, int index, ibv_gid* gid);
int query_gid_ex(ibv_context* context, std::uint32_t port, std::uint32_t index, ibv_gid_entry* entry,
                 std::uint32_t flags);
ssize_t query_gid_table(ibv_context* context, ibv_gid_entry* entries, std::size_t max_entries, std::uint32_t flags);
int query_pkey(ibv_context* context, std::uint8_t port, int index, __be16* pkey);

// In the form that the inline functions of infiniband/verbs.h call through the context: with the size of the caller's
// structure.
int query_device_ex_sized(ibv_context* context, const ibv_query_device_ex_input* input, ibv_device_attr_ex* attr,
                          std::size_t size);
int query_port_sized(ibv_context* context, std::uint8_t port, ibv_port_attr* attr, std::size_t size);
int query_rt_values(ibv_context* context, ibv_values_ex* values);

ibv_pd* alloc_pd(ibv_context* context);
int dealloc_pd(ibv_pd* pd);
ibv_pd* alloc_parent_domain(ibv_context* context, ibv_parent_domain_init_attr* attr);
ibv_td* alloc_td(ibv_context* context, ibv_td_init_attr* attr);
int dealloc_td(ibv_td* td);
ibv_mr* reg_mr(ibv_pd* pd, void* addr, std::size_t length, int access);
ibv_mr* reg_dmabuf_mr(ibv_pd* pd, std::uint64_t offset, std::size_t length, std::uint64_t iova, int fd, int access);
int dereg_mr(ibv_mr* mr);

ibv_comp_channel* create_comp_channel(ibv_context* context);
int destroy_comp_channel(ibv_comp_channel* base);
int get_cq_event(ibv_comp_channel* channel, ibv_cq** cq, void** cq_context);
void ack_cq_events(ibv_cq* cq, unsigned events);
ibv_cq* create_cq(ibv_context* context, int entries, void* cq_context, ibv_comp_channel* channel, int comp_vector);
ibv_cq_ex* create_cq_ex(ibv_context* context, ibv_cq_init_attr_ex* attr);
int resize_cq(ibv_cq* base, int entries);
int destroy_cq(ibv_cq* base);

ibv_qp* create_qp(ibv_pd* pd, ibv_qp_init_attr* attr);
int query_qp(ibv_qp* qp, ibv_qp_attr* attr, int mask, ibv_qp_init_attr* init);
int modify_qp(ibv_qp* qp, ibv_qp_attr* attr, int mask);
int destroy_qp(ibv_qp* qp);
ibv_flow* create_flow(ibv_qp* qp, ibv_flow_attr* attr);
int destroy_flow(ibv_flow* flow);
ibv_counters* create_counters(ibv_context* context, ibv_counters_init_attr* attr);
int destroy_counters(ibv_counters* base);
int attach_counters_point_flow(ibv_counters* counters, ibv_counter_attach_attr* attr, ibv_flow* flow);
int read_counters(ibv_counters* counters, std::uint64_t* values, std::uint32_t count, std::uint32_t flags);

// Shared by the verbs.

/// Runs a function that makes an object: exceptions become null and errno.
template <class Make>
auto guarded(Make&& make) noexcept -> decltype(make()) {
    try {
        return make();
    } catch (const std::system_error& error) {
        errno = error.code().value();
    } catch (const std::bad_alloc&) {
        errno = ENOMEM;
    }
    return nullptr;
}

template <class Object>
Object* refuse(int error) noexcept {
    errno = error;
    return nullptr;
}

/// Copies to a caller's structure of `size` bytes: an older header's is shorter, and a newer one's additional bytes
/// become zero.
template <class Structure>
void copy_sized(Structure* to, std::size_t size, const Structure& from) noexcept {
    std::memset(static_cast<void*>(to), 0, size);
    std::memcpy(static_cast<void*>(to), &from, std::min(size, sizeof from));
}

/// Returns EBUSY while other objects use it.
template <class Object>
int destroy_unused(Object& object) noexcept {
    if (!object.object_entry.remove_unused()) return EBUSY;
    delete &object;
    return 0;
}

}  // namespace pktverbs::soft::control
