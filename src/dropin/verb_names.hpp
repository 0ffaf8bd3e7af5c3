// SPDX-License-Identifier: Apache-2.0
// verb_names: the verbs that can be made to fail, and their numbers.
#pragma once

#include <algorithm>
#include <cstddef>
#include <iterator>
#include <optional>
#include <string_view>

namespace pktverbs::dropin {

/// libibverbs' names without ibv_, sorted. The two that can't fail, ack_async_event and ack_cq_events, are not here.
inline constexpr std::string_view verb_names[] = {
    "advise_mr",
    "alloc_dm",
    "alloc_mw",
    "alloc_null_mr",
    "alloc_parent_domain",
    "alloc_pd",
    "alloc_td",
    "attach_counters_point_flow",
    "attach_mcast",
    "bind_mw",
    "close_device",
    "close_xrcd",
    "create_ah",
    "create_comp_channel",
    "create_counters",
    "create_cq",
    "create_cq_ex",
    "create_flow",
    "create_flow_action_esp",
    "create_qp",
    "create_qp_ex",
    "create_rwq_ind_table",
    "create_srq",
    "create_srq_ex",
    "create_wq",
    "dealloc_mw",
    "dealloc_pd",
    "dealloc_td",
    "dereg_mr",
    "destroy_ah",
    "destroy_comp_channel",
    "destroy_counters",
    "destroy_cq",
    "destroy_flow",
    "destroy_flow_action",
    "destroy_qp",
    "destroy_rwq_ind_table",
    "destroy_srq",
    "destroy_wq",
    "detach_mcast",
    "free_dm",
    "get_async_event",
    "get_cq_event",
    "get_srq_num",
    "modify_cq",
    "modify_flow_action_esp",
    "modify_qp",
    "modify_qp_rate_limit",
    "modify_srq",
    "modify_wq",
    "open_device",
    "open_qp",
    "open_xrcd",
    "poll_cq",
    "post_recv",
    "post_send",
    "post_srq_ops",
    "post_srq_recv",
    "query_device",
    "query_device_ex",
    "query_gid",
    "query_gid_ex",
    "query_gid_table",
    "query_port",
    "query_qp",
    "query_rt_values_ex",
    "query_srq",
    "read_counters",
    "reg_dm_mr",
    "reg_dmabuf_mr",
    "reg_mr",
    "req_notify_cq",
    "resize_cq",
};

/// A verb's place in verb_names.
constexpr std::optional<std::size_t> find_verb(std::string_view name) noexcept {
    const auto at = std::ranges::lower_bound(verb_names, name);
    if (at == std::end(verb_names) || *at != name) return std::nullopt;
    return static_cast<std::size_t>(at - std::begin(verb_names));
}

/// The same for a name in the source: an unknown name does not compile.
consteval std::size_t verb(std::string_view name) { return find_verb(name).value(); }

static_assert(std::ranges::is_sorted(verb_names));

}  // namespace pktverbs::dropin
