// SPDX-License-Identifier: Apache-2.0
// The hardware provider: libibverbs' own control verbs, for NICs and for SoftRoCE.
#include <pktverbs/verbs/provider.hpp>

#include "verbs/inline_verbs.hpp"

namespace pktverbs::verbs {
namespace {

// verbs.h has these as macros or inline functions. If a driver lacks the verb, they return EOPNOTSUPP by themselves.

int query_device_ex(ibv_context* context, const ibv_query_device_ex_input* input, ibv_device_attr_ex* attr) {
    return ibv_query_device_ex(context, input, attr);
}

// The exported function, which the macro hides, fills the shorter structure of old programs.
int query_port(ibv_context* context, std::uint8_t port, ibv_port_attr* attr) {
    return ibv_query_port(context, port, attr);
}

int query_gid_ex(ibv_context* context, std::uint32_t port, std::uint32_t index, ibv_gid_entry* entry,
                 std::uint32_t flags) {
    return ibv_query_gid_ex(context, port, index, entry, flags);
}

ssize_t query_gid_table(ibv_context* context, ibv_gid_entry* entries, std::size_t max_entries, std::uint32_t flags) {
    return ibv_query_gid_table(context, entries, max_entries, flags);
}

int query_rt_values_ex(ibv_context* context, ibv_values_ex* values) { return ibv_query_rt_values_ex(context, values); }

int modify_qp_rate_limit(ibv_qp* qp, ibv_qp_rate_limit_attr* attr) { return ibv_modify_qp_rate_limit(qp, attr); }

ibv_mr* reg_mr(ibv_pd* pd, void* addr, std::size_t length, int access) {
    return ibv_reg_mr(pd, addr, length, static_cast<unsigned>(access));
}

ibv_cq_ex* create_cq_ex(ibv_context* context, ibv_cq_init_attr_ex* attr) { return ibv_create_cq_ex(context, attr); }

ibv_flow* create_flow(ibv_qp* qp, ibv_flow_attr* attr) { return ibv_create_flow(qp, attr); }

int destroy_flow(ibv_flow* flow) { return ibv_destroy_flow(flow); }

ibv_counters* create_counters(ibv_context* context, ibv_counters_init_attr* attr) {
    return ibv_create_counters(context, attr);
}

int destroy_counters(ibv_counters* counters) { return ibv_destroy_counters(counters); }

int attach_counters_point_flow(ibv_counters* counters, ibv_counter_attach_attr* attr, ibv_flow* flow) {
    return ibv_attach_counters_point_flow(counters, attr, flow);
}

int read_counters(ibv_counters* counters, std::uint64_t* values, std::uint32_t count, std::uint32_t flags) {
    return ibv_read_counters(counters, values, count, flags);
}

constexpr Provider table{
    .open_device = ibv_open_device,
    .close_device = ibv_close_device,
    .query_device = ibv_query_device,
    .query_device_ex = query_device_ex,
    .query_port = query_port,
    .query_gid = ibv_query_gid,
    .query_gid_ex = query_gid_ex,
    .query_gid_table = query_gid_table,
    .query_rt_values_ex = query_rt_values_ex,
    .get_async_event = ibv_get_async_event,
    .ack_async_event = ibv_ack_async_event,
    .alloc_pd = ibv_alloc_pd,
    .dealloc_pd = ibv_dealloc_pd,
    .reg_mr = reg_mr,
    .reg_dmabuf_mr = ibv_reg_dmabuf_mr,
    .dereg_mr = ibv_dereg_mr,
    .create_ah = ibv_create_ah,
    .destroy_ah = ibv_destroy_ah,
    .create_srq = ibv_create_srq,
    .modify_srq = ibv_modify_srq,
    .query_srq = ibv_query_srq,
    .destroy_srq = ibv_destroy_srq,
    .create_comp_channel = ibv_create_comp_channel,
    .destroy_comp_channel = ibv_destroy_comp_channel,
    .get_cq_event = ibv_get_cq_event,
    .ack_cq_events = ibv_ack_cq_events,
    .create_cq = ibv_create_cq,
    .create_cq_ex = create_cq_ex,
    .resize_cq = ibv_resize_cq,
    .destroy_cq = ibv_destroy_cq,
    .create_qp = ibv_create_qp,
    .create_qp_ex = inline_verbs::create_qp_ex,
    .query_qp = ibv_query_qp,
    .modify_qp = ibv_modify_qp,
    .modify_qp_rate_limit = modify_qp_rate_limit,
    .destroy_qp = ibv_destroy_qp,
    .create_wq = inline_verbs::create_wq,
    .modify_wq = inline_verbs::modify_wq,
    .destroy_wq = inline_verbs::destroy_wq,
    .create_rwq_ind_table = inline_verbs::create_rwq_ind_table,
    .destroy_rwq_ind_table = inline_verbs::destroy_rwq_ind_table,
    .attach_mcast = ibv_attach_mcast,
    .detach_mcast = ibv_detach_mcast,
    .create_flow = create_flow,
    .destroy_flow = destroy_flow,
    .create_counters = create_counters,
    .destroy_counters = destroy_counters,
    .attach_counters_point_flow = attach_counters_point_flow,
    .read_counters = read_counters,
};

}  // namespace

const Provider& hardware_provider() noexcept { return table; }

}  // namespace pktverbs::verbs
