// SPDX-License-Identifier: Apache-2.0
// The soft device's verbs as tables: the provider's, and the tables that infiniband/verbs.h uses in a context.
#include <pktverbs/soft/device.hpp>
#include <pktverbs/verbs/provider.hpp>

#include <cerrno>

#include "soft/nic/completion_queue.hpp"
#include "soft/nic/nic.hpp"
#include "soft/nic/queue_pair.hpp"
#include "soft/verbs/control_verbs.hpp"
#include "soft/verbs/work_queue_verbs.hpp"
#include "verbs/inline_verbs.hpp"

namespace pktverbs::soft {

namespace control {
namespace {

// Verbs that raw packets don't need.
ibv_ah* create_ah(ibv_pd*, ibv_ah_attr*) { return refuse<ibv_ah>(EOPNOTSUPP); }
int destroy_ah(ibv_ah*) { return EOPNOTSUPP; }
ibv_srq* create_srq(ibv_pd*, ibv_srq_init_attr*) { return refuse<ibv_srq>(EOPNOTSUPP); }
int modify_srq(ibv_srq*, ibv_srq_attr*, int) { return EOPNOTSUPP; }
int query_srq(ibv_srq*, ibv_srq_attr*) { return EOPNOTSUPP; }
int destroy_srq(ibv_srq*) { return EOPNOTSUPP; }
int modify_qp_rate_limit(ibv_qp*, ibv_qp_rate_limit_attr*) { return EOPNOTSUPP; }
int attach_mcast(ibv_qp*, const ibv_gid*, std::uint16_t) { return EOPNOTSUPP; }
int detach_mcast(ibv_qp*, const ibv_gid*, std::uint16_t) { return EOPNOTSUPP; }

constexpr verbs::Provider table{
    .open_device = open_device,
    .close_device = close_device,
    .query_device = query_device,
    .query_device_ex = query_device_ex,
    .query_port = query_port,
    .query_gid = query_gid,
    .query_gid_ex = query_gid_ex,
    .query_gid_table = query_gid_table,
    .query_rt_values_ex = query_rt_values,
    .get_async_event = get_async_event,
    .ack_async_event = ack_async_event,
    .alloc_pd = alloc_pd,
    .dealloc_pd = dealloc_pd,
    .reg_mr = reg_mr,
    .reg_dmabuf_mr = reg_dmabuf_mr,
    .dereg_mr = dereg_mr,
    .create_ah = create_ah,
    .destroy_ah = destroy_ah,
    .create_srq = create_srq,
    .modify_srq = modify_srq,
    .query_srq = query_srq,
    .destroy_srq = destroy_srq,
    .create_comp_channel = create_comp_channel,
    .destroy_comp_channel = destroy_comp_channel,
    .get_cq_event = get_cq_event,
    .ack_cq_events = ack_cq_events,
    .create_cq = create_cq,
    .create_cq_ex = create_cq_ex,
    .resize_cq = resize_cq,
    .destroy_cq = destroy_cq,
    .create_qp = create_qp,
    .create_qp_ex = verbs::inline_verbs::create_qp_ex,
    .query_qp = query_qp,
    .modify_qp = modify_qp,
    .modify_qp_rate_limit = modify_qp_rate_limit,
    .destroy_qp = destroy_qp,
    .create_wq = verbs::inline_verbs::create_wq,
    .modify_wq = verbs::inline_verbs::modify_wq,
    .destroy_wq = verbs::inline_verbs::destroy_wq,
    .create_rwq_ind_table = verbs::inline_verbs::create_rwq_ind_table,
    .destroy_rwq_ind_table = verbs::inline_verbs::destroy_rwq_ind_table,
    .attach_mcast = attach_mcast,
    .detach_mcast = detach_mcast,
    .create_flow = create_flow,
    .destroy_flow = destroy_flow,
    .create_counters = create_counters,
    .destroy_counters = destroy_counters,
    .attach_counters_point_flow = attach_counters_point_flow,
    .read_counters = read_counters,
};

}  // namespace
}  // namespace control

namespace {

int poll(ibv_cq* cq, int n, ibv_wc* wc) { return CompletionQueue::of(cq).poll(n, wc); }

}  // namespace

// Another device's context has other functions.
Nic* find_nic(const ibv_context* context) noexcept {
    return context && context->ops.poll_cq == poll ? &Nic::of(const_cast<ibv_context*>(context)) : nullptr;
}

// Verbs that the inline functions of infiniband/verbs.h call through the context instead of the provider.
void install_verbs(Nic& nic) noexcept {
    ibv_context_ops& ops = nic.context.ops;
    ops.poll_cq = poll;
    ops.req_notify_cq = [](ibv_cq* cq, int solicited) { return CompletionQueue::of(cq).arm(solicited != 0); };
    ops.post_send = [](ibv_qp* qp, ibv_send_wr* wr, ibv_send_wr** bad) { return QueuePair::of(qp).post_send(wr, bad); };
    ops.post_recv = [](ibv_qp* qp, ibv_recv_wr* wr, ibv_recv_wr** bad) { return QueuePair::of(qp).post_recv(wr, bad); };
    ops.post_srq_recv = [](ibv_srq*, ibv_recv_wr* wr, ibv_recv_wr** bad) {
        *bad = wr;
        return EOPNOTSUPP;
    };
    ops.alloc_mw = [](ibv_pd*, ibv_mw_type) { return control::refuse<ibv_mw>(EOPNOTSUPP); };
    ops.bind_mw = [](ibv_qp*, ibv_mw*, ibv_mw_bind*) { return EOPNOTSUPP; };
    ops.dealloc_mw = [](ibv_mw*) { return EOPNOTSUPP; };
    nic.close_xrcd = [](ibv_xrcd*) { return EOPNOTSUPP; };  // the only one that is called without a null check
    nic.query_port = control::query_port_sized;
    nic.query_device_ex = control::query_device_ex_sized;
    nic.query_rt_values = control::query_rt_values;
    nic.create_cq_ex = control::create_cq_ex;
    nic.alloc_td = control::alloc_td;
    nic.dealloc_td = control::dealloc_td;
    nic.alloc_parent_domain = control::alloc_parent_domain;
    nic.create_counters = control::create_counters;
    nic.destroy_counters = control::destroy_counters;
    nic.attach_counters_point_flow = control::attach_counters_point_flow;
    nic.read_counters = control::read_counters;
    nic.ibv_create_flow = control::create_flow;
    nic.ibv_destroy_flow = control::destroy_flow;
    install_work_queue_verbs(nic);
    install_extended_queue_pair_verbs(nic);
}

const verbs::Provider& provider() noexcept { return control::table; }

}  // namespace pktverbs::soft
