// SPDX-License-Identifier: Apache-2.0
// verb_slots: which verb is at which place in the tables of function pointers.
#pragma once

#include <infiniband/verbs.h>

#include <cstddef>
#include <type_traits>

#include <pktverbs/verbs/provider.hpp>

#include "dropin/verb_names.hpp"

namespace pktverbs::dropin {

/// A verb's number, as a type.
template <std::size_t number>
using Verb = std::integral_constant<std::size_t, number>;

/// Calls `visit(Verb<number>, pointer)` for every verb of a table that can fail.
template <class Visit>
void visit_provider(verbs::Provider& table, Visit&& visit) {
    visit(Verb<verb("open_device")>{}, table.open_device);
    visit(Verb<verb("close_device")>{}, table.close_device);
    visit(Verb<verb("query_device")>{}, table.query_device);
    visit(Verb<verb("query_device_ex")>{}, table.query_device_ex);
    visit(Verb<verb("query_port")>{}, table.query_port);
    visit(Verb<verb("query_gid")>{}, table.query_gid);
    visit(Verb<verb("query_gid_ex")>{}, table.query_gid_ex);
    visit(Verb<verb("query_gid_table")>{}, table.query_gid_table);
    visit(Verb<verb("query_rt_values_ex")>{}, table.query_rt_values_ex);
    visit(Verb<verb("get_async_event")>{}, table.get_async_event);
    visit(Verb<verb("alloc_pd")>{}, table.alloc_pd);
    visit(Verb<verb("dealloc_pd")>{}, table.dealloc_pd);
    visit(Verb<verb("reg_mr")>{}, table.reg_mr);
    visit(Verb<verb("reg_dmabuf_mr")>{}, table.reg_dmabuf_mr);
    visit(Verb<verb("dereg_mr")>{}, table.dereg_mr);
    visit(Verb<verb("create_ah")>{}, table.create_ah);
    visit(Verb<verb("destroy_ah")>{}, table.destroy_ah);
    visit(Verb<verb("create_srq")>{}, table.create_srq);
    visit(Verb<verb("modify_srq")>{}, table.modify_srq);
    visit(Verb<verb("query_srq")>{}, table.query_srq);
    visit(Verb<verb("destroy_srq")>{}, table.destroy_srq);
    visit(Verb<verb("create_comp_channel")>{}, table.create_comp_channel);
    visit(Verb<verb("destroy_comp_channel")>{}, table.destroy_comp_channel);
    visit(Verb<verb("get_cq_event")>{}, table.get_cq_event);
    visit(Verb<verb("create_cq")>{}, table.create_cq);
    visit(Verb<verb("create_cq_ex")>{}, table.create_cq_ex);
    visit(Verb<verb("resize_cq")>{}, table.resize_cq);
    visit(Verb<verb("destroy_cq")>{}, table.destroy_cq);
    visit(Verb<verb("create_qp")>{}, table.create_qp);
    visit(Verb<verb("create_qp_ex")>{}, table.create_qp_ex);
    visit(Verb<verb("query_qp")>{}, table.query_qp);
    visit(Verb<verb("modify_qp")>{}, table.modify_qp);
    visit(Verb<verb("modify_qp_rate_limit")>{}, table.modify_qp_rate_limit);
    visit(Verb<verb("destroy_qp")>{}, table.destroy_qp);
    visit(Verb<verb("create_wq")>{}, table.create_wq);
    visit(Verb<verb("modify_wq")>{}, table.modify_wq);
    visit(Verb<verb("destroy_wq")>{}, table.destroy_wq);
    visit(Verb<verb("create_rwq_ind_table")>{}, table.create_rwq_ind_table);
    visit(Verb<verb("destroy_rwq_ind_table")>{}, table.destroy_rwq_ind_table);
    visit(Verb<verb("attach_mcast")>{}, table.attach_mcast);
    visit(Verb<verb("detach_mcast")>{}, table.detach_mcast);
    visit(Verb<verb("create_flow")>{}, table.create_flow);
    visit(Verb<verb("destroy_flow")>{}, table.destroy_flow);
    visit(Verb<verb("create_counters")>{}, table.create_counters);
    visit(Verb<verb("destroy_counters")>{}, table.destroy_counters);
    visit(Verb<verb("attach_counters_point_flow")>{}, table.attach_counters_point_flow);
    visit(Verb<verb("read_counters")>{}, table.read_counters);
}

/// Verbs called straight through the context: the data path and memory windows.
template <class Visit>
void visit_ops(ibv_context_ops& ops, Visit&& visit) {
    visit(Verb<verb("alloc_mw")>{}, ops.alloc_mw);
    visit(Verb<verb("bind_mw")>{}, ops.bind_mw);
    visit(Verb<verb("dealloc_mw")>{}, ops.dealloc_mw);
    visit(Verb<verb("poll_cq")>{}, ops.poll_cq);
    visit(Verb<verb("req_notify_cq")>{}, ops.req_notify_cq);
    visit(Verb<verb("post_srq_recv")>{}, ops.post_srq_recv);
    visit(Verb<verb("post_send")>{}, ops.post_send);
    visit(Verb<verb("post_recv")>{}, ops.post_recv);
}

template <class Visit>
void visit_extended(verbs_context& extended, Visit&& visit) {
    visit(Verb<verb("query_port")>{}, extended.query_port);
    visit(Verb<verb("advise_mr")>{}, extended.advise_mr);
    visit(Verb<verb("alloc_null_mr")>{}, extended.alloc_null_mr);
    visit(Verb<verb("read_counters")>{}, extended.read_counters);
    visit(Verb<verb("attach_counters_point_flow")>{}, extended.attach_counters_point_flow);
    visit(Verb<verb("create_counters")>{}, extended.create_counters);
    visit(Verb<verb("destroy_counters")>{}, extended.destroy_counters);
    visit(Verb<verb("reg_dm_mr")>{}, extended.reg_dm_mr);
    visit(Verb<verb("alloc_dm")>{}, extended.alloc_dm);
    visit(Verb<verb("free_dm")>{}, extended.free_dm);
    visit(Verb<verb("modify_flow_action_esp")>{}, extended.modify_flow_action_esp);
    visit(Verb<verb("destroy_flow_action")>{}, extended.destroy_flow_action);
    visit(Verb<verb("create_flow_action_esp")>{}, extended.create_flow_action_esp);
    visit(Verb<verb("modify_qp_rate_limit")>{}, extended.modify_qp_rate_limit);
    visit(Verb<verb("alloc_parent_domain")>{}, extended.alloc_parent_domain);
    visit(Verb<verb("dealloc_td")>{}, extended.dealloc_td);
    visit(Verb<verb("alloc_td")>{}, extended.alloc_td);
    visit(Verb<verb("modify_cq")>{}, extended.modify_cq);
    visit(Verb<verb("post_srq_ops")>{}, extended.post_srq_ops);
    visit(Verb<verb("destroy_rwq_ind_table")>{}, extended.destroy_rwq_ind_table);
    visit(Verb<verb("create_rwq_ind_table")>{}, extended.create_rwq_ind_table);
    visit(Verb<verb("destroy_wq")>{}, extended.destroy_wq);
    visit(Verb<verb("modify_wq")>{}, extended.modify_wq);
    visit(Verb<verb("create_wq")>{}, extended.create_wq);
    visit(Verb<verb("query_rt_values_ex")>{}, extended.query_rt_values);
    visit(Verb<verb("create_cq_ex")>{}, extended.create_cq_ex);
    visit(Verb<verb("query_device_ex")>{}, extended.query_device_ex);
    visit(Verb<verb("destroy_flow")>{}, extended.ibv_destroy_flow);
    visit(Verb<verb("create_flow")>{}, extended.ibv_create_flow);
    visit(Verb<verb("open_qp")>{}, extended.open_qp);
    visit(Verb<verb("create_qp_ex")>{}, extended.create_qp_ex);
    visit(Verb<verb("get_srq_num")>{}, extended.get_srq_num);
    visit(Verb<verb("create_srq_ex")>{}, extended.create_srq_ex);
    visit(Verb<verb("open_xrcd")>{}, extended.open_xrcd);
    visit(Verb<verb("close_xrcd")>{}, extended.close_xrcd);
}

}  // namespace pktverbs::dropin
