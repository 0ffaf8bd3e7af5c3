// SPDX-License-Identifier: Apache-2.0
// Provider: the control verbs as a table, so that a device can bring its own.
#pragma once

#include <infiniband/verbs.h>
#include <sys/types.h>

#include <cstddef>
#include <cstdint>

#include <pktverbs/export.hpp>

namespace pktverbs::verbs {

/// Holds the control verbs of a device: libibverbs' own, or the soft device's.
///
/// Every slot has the name, signature, error convention and man page of the libibverbs function ibv_NAME. Every slot
/// can be called: what a device can't do fails with EOPNOTSUPP, in that verb's convention. The data path (post, poll,
/// req_notify) is not here: it goes through the function pointers in ibv_context.
///
/// Never call libibverbs' own control functions on a context of another provider: they use state that only libibverbs
/// creates.
struct Provider {
    ibv_context* (*open_device)(ibv_device*);
    int (*close_device)(ibv_context*);
    int (*query_device)(ibv_context*, ibv_device_attr*);
    int (*query_device_ex)(ibv_context*, const ibv_query_device_ex_input*, ibv_device_attr_ex*);
    int (*query_port)(ibv_context*, std::uint8_t port, ibv_port_attr*);
    int (*query_gid)(ibv_context*, std::uint8_t port, int index, ibv_gid*);
    int (*query_gid_ex)(ibv_context*, std::uint32_t port, std::uint32_t index, ibv_gid_entry*, std::uint32_t flags);
    ssize_t (*query_gid_table)(ibv_context*, ibv_gid_entry*, std::size_t max_entries, std::uint32_t flags);
    int (*query_rt_values_ex)(ibv_context*, ibv_values_ex*);
    int (*get_async_event)(ibv_context*, ibv_async_event*);
    void (*ack_async_event)(ibv_async_event*);
    ibv_pd* (*alloc_pd)(ibv_context*);
    int (*dealloc_pd)(ibv_pd*);
    ibv_mr* (*reg_mr)(ibv_pd*, void* addr, std::size_t length, int access);
    ibv_mr* (*reg_dmabuf_mr)(ibv_pd*, std::uint64_t offset, std::size_t length, std::uint64_t iova, int fd, int access);
    int (*dereg_mr)(ibv_mr*);
    ibv_ah* (*create_ah)(ibv_pd*, ibv_ah_attr*);
    int (*destroy_ah)(ibv_ah*);
    ibv_srq* (*create_srq)(ibv_pd*, ibv_srq_init_attr*);
    int (*modify_srq)(ibv_srq*, ibv_srq_attr*, int attr_mask);
    int (*query_srq)(ibv_srq*, ibv_srq_attr*);
    int (*destroy_srq)(ibv_srq*);
    ibv_comp_channel* (*create_comp_channel)(ibv_context*);
    int (*destroy_comp_channel)(ibv_comp_channel*);
    int (*get_cq_event)(ibv_comp_channel*, ibv_cq**, void** cq_context);
    void (*ack_cq_events)(ibv_cq*, unsigned count);
    ibv_cq* (*create_cq)(ibv_context*, int cqe, void* cq_context, ibv_comp_channel*, int comp_vector);
    ibv_cq_ex* (*create_cq_ex)(ibv_context*, ibv_cq_init_attr_ex*);
    int (*resize_cq)(ibv_cq*, int cqe);
    int (*destroy_cq)(ibv_cq*);
    ibv_qp* (*create_qp)(ibv_pd*, ibv_qp_init_attr*);
    ibv_qp* (*create_qp_ex)(ibv_context*, ibv_qp_init_attr_ex*);
    int (*query_qp)(ibv_qp*, ibv_qp_attr*, int attr_mask, ibv_qp_init_attr*);
    int (*modify_qp)(ibv_qp*, ibv_qp_attr*, int attr_mask);
    int (*modify_qp_rate_limit)(ibv_qp*, ibv_qp_rate_limit_attr*);
    int (*destroy_qp)(ibv_qp*);
    ibv_wq* (*create_wq)(ibv_context*, ibv_wq_init_attr*);
    int (*modify_wq)(ibv_wq*, ibv_wq_attr*);
    int (*destroy_wq)(ibv_wq*);
    ibv_rwq_ind_table* (*create_rwq_ind_table)(ibv_context*, ibv_rwq_ind_table_init_attr*);
    int (*destroy_rwq_ind_table)(ibv_rwq_ind_table*);
    int (*attach_mcast)(ibv_qp*, const ibv_gid*, std::uint16_t lid);
    int (*detach_mcast)(ibv_qp*, const ibv_gid*, std::uint16_t lid);
    ibv_flow* (*create_flow)(ibv_qp*, ibv_flow_attr*);
    int (*destroy_flow)(ibv_flow*);
    ibv_counters* (*create_counters)(ibv_context*, ibv_counters_init_attr*);
    int (*destroy_counters)(ibv_counters*);
    int (*attach_counters_point_flow)(ibv_counters*, ibv_counter_attach_attr*, ibv_flow*);
    int (*read_counters)(ibv_counters*, std::uint64_t* values, std::uint32_t count, std::uint32_t flags);
};

/// Returns libibverbs' own functions, for real hardware and SoftRoCE.
PKTVERBS_EXPORT const Provider& hardware_provider() noexcept;

}  // namespace pktverbs::verbs
