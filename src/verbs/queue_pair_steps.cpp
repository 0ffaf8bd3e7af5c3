// SPDX-License-Identifier: Apache-2.0
#include "verbs/queue_pair_steps.hpp"

#include <fmt/core.h>

#include <cerrno>
#include <string>
#include <system_error>

#include "verbs/qp_transition.hpp"

namespace pktverbs::verbs {

void modify_queue_pair(const Port& port, ibv_qp& qp, ibv_qp_type type, ibv_qp_attr attr, int mask,
                       std::string_view what) {
    try {
        check_result(port.action("modify_qp", what), [&] { return port.provider.modify_qp(&qp, &attr, mask); });
    } catch (const std::system_error& error) {
        if (error.code().value() != EINVAL) throw;
        // The driver doesn't say what was wrong; callers mostly get the attributes wrong.
        ibv_qp_attr now{};
        ibv_qp_init_attr made{};
        if (port.provider.query_qp(&qp, &now, IBV_QP_STATE, &made) != 0) throw;
        const ibv_qp_state to = (mask & IBV_QP_STATE) != 0 ? attr.qp_state : now.qp_state;
        const std::string why = explain_transition(type, now.qp_state, to, mask);
        if (why.empty() && type == IBV_QPT_RAW_PACKET) throw;
        throw_error(
            EINVAL, fmt::format("{} on {}", what, port.name),
            why.empty() ? "a value is out of the device's range, or no way leads from that GID to the peer" : why);
    }
}

ibv_qp_attr query_queue_pair(const Port& port, ibv_qp& qp, int mask) {
    ibv_qp_attr attr{};
    ibv_qp_init_attr made{};
    check_result(port.action("query_qp", "query a queue pair"),
                 [&] { return port.provider.query_qp(&qp, &attr, mask, &made); });
    return attr;
}

void step_work_queue(const Port& port, ibv_wq& wq, ibv_wq_state to, std::string_view what) {
    ibv_wq_attr attr{};
    attr.attr_mask = IBV_WQ_ATTR_STATE;
    attr.wq_state = to;
    check_result(port.action("modify_wq", what), [&] { return port.provider.modify_wq(&wq, &attr); });
}

}  // namespace pktverbs::verbs
