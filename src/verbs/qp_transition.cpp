// SPDX-License-Identifier: Apache-2.0
#include "verbs/qp_transition.hpp"

#include <fmt/core.h>

#include <array>
#include <optional>
#include <vector>

#include "base/join.hpp"

namespace pktverbs::verbs {

namespace {

struct Change {
    ibv_qp_type type;
    ibv_qp_state from;
    ibv_qp_state to;
    int needed;
    int optional;
};

constexpr int ready = IBV_QP_CUR_STATE | IBV_QP_ACCESS_FLAGS | IBV_QP_ALT_PATH | IBV_QP_PATH_MIG_STATE;
constexpr int uc_peer = IBV_QP_AV | IBV_QP_PATH_MTU | IBV_QP_DEST_QPN | IBV_QP_RQ_PSN;
constexpr int rc_peer = uc_peer | IBV_QP_MAX_DEST_RD_ATOMIC | IBV_QP_MIN_RNR_TIMER;
constexpr int rc_send = IBV_QP_SQ_PSN | IBV_QP_TIMEOUT | IBV_QP_RETRY_CNT | IBV_QP_RNR_RETRY | IBV_QP_MAX_QP_RD_ATOMIC;
constexpr int at_peer = IBV_QP_ALT_PATH | IBV_QP_ACCESS_FLAGS | IBV_QP_PKEY_INDEX;

// The table in ibv_modify_qp(3), and for raw packets, which it leaves out, qp_state_table[] in
// drivers/infiniband/core/verbs.c. Every transition needs IBV_QP_STATE.
constexpr std::array changes{
    Change{IBV_QPT_RC, IBV_QPS_RESET, IBV_QPS_INIT, IBV_QP_PKEY_INDEX | IBV_QP_PORT | IBV_QP_ACCESS_FLAGS, 0},
    Change{IBV_QPT_UC, IBV_QPS_RESET, IBV_QPS_INIT, IBV_QP_PKEY_INDEX | IBV_QP_PORT | IBV_QP_ACCESS_FLAGS, 0},
    Change{IBV_QPT_UD, IBV_QPS_RESET, IBV_QPS_INIT, IBV_QP_PKEY_INDEX | IBV_QP_PORT | IBV_QP_QKEY, 0},
    Change{IBV_QPT_RAW_PACKET, IBV_QPS_RESET, IBV_QPS_INIT, IBV_QP_PORT, 0},
    Change{IBV_QPT_RC, IBV_QPS_INIT, IBV_QPS_INIT, 0, IBV_QP_PKEY_INDEX | IBV_QP_PORT | IBV_QP_ACCESS_FLAGS},
    Change{IBV_QPT_UC, IBV_QPS_INIT, IBV_QPS_INIT, 0, IBV_QP_PKEY_INDEX | IBV_QP_PORT | IBV_QP_ACCESS_FLAGS},
    Change{IBV_QPT_UD, IBV_QPS_INIT, IBV_QPS_INIT, 0, IBV_QP_PKEY_INDEX | IBV_QP_PORT | IBV_QP_QKEY},
    Change{IBV_QPT_RAW_PACKET, IBV_QPS_INIT, IBV_QPS_INIT, 0, IBV_QP_PORT},
    Change{IBV_QPT_RC, IBV_QPS_INIT, IBV_QPS_RTR, rc_peer, at_peer},
    Change{IBV_QPT_UC, IBV_QPS_INIT, IBV_QPS_RTR, uc_peer, at_peer},
    Change{IBV_QPT_UD, IBV_QPS_INIT, IBV_QPS_RTR, 0, IBV_QP_PKEY_INDEX | IBV_QP_QKEY},
    Change{IBV_QPT_RAW_PACKET, IBV_QPS_INIT, IBV_QPS_RTR, 0, 0},
    Change{IBV_QPT_RC, IBV_QPS_RTR, IBV_QPS_RTS, rc_send, ready | IBV_QP_MIN_RNR_TIMER},
    Change{IBV_QPT_UC, IBV_QPS_RTR, IBV_QPS_RTS, IBV_QP_SQ_PSN, ready},
    Change{IBV_QPT_UD, IBV_QPS_RTR, IBV_QPS_RTS, IBV_QP_SQ_PSN, IBV_QP_CUR_STATE | IBV_QP_QKEY},
    Change{IBV_QPT_RAW_PACKET, IBV_QPS_RTR, IBV_QPS_RTS, 0, IBV_QP_RATE_LIMIT},
    Change{IBV_QPT_RC, IBV_QPS_RTS, IBV_QPS_RTS, 0, ready | IBV_QP_MIN_RNR_TIMER},
    Change{IBV_QPT_UC, IBV_QPS_RTS, IBV_QPS_RTS, 0, ready},
    Change{IBV_QPT_UD, IBV_QPS_RTS, IBV_QPS_RTS, 0, IBV_QP_CUR_STATE | IBV_QP_QKEY},
    Change{IBV_QPT_RAW_PACKET, IBV_QPS_RTS, IBV_QPS_RTS, 0, IBV_QP_RATE_LIMIT},
    Change{IBV_QPT_RC, IBV_QPS_RTS, IBV_QPS_SQD, 0, IBV_QP_EN_SQD_ASYNC_NOTIFY},
    Change{IBV_QPT_UC, IBV_QPS_RTS, IBV_QPS_SQD, 0, IBV_QP_EN_SQD_ASYNC_NOTIFY},
    Change{IBV_QPT_UD, IBV_QPS_RTS, IBV_QPS_SQD, 0, IBV_QP_EN_SQD_ASYNC_NOTIFY},
    Change{IBV_QPT_RC, IBV_QPS_SQD, IBV_QPS_RTS, 0, ready | IBV_QP_MIN_RNR_TIMER},
    Change{IBV_QPT_UC, IBV_QPS_SQD, IBV_QPS_RTS, 0, ready},
    Change{IBV_QPT_UD, IBV_QPS_SQD, IBV_QPS_RTS, 0, IBV_QP_CUR_STATE | IBV_QP_QKEY},
    Change{IBV_QPT_UC, IBV_QPS_SQE, IBV_QPS_RTS, 0, IBV_QP_CUR_STATE | IBV_QP_ACCESS_FLAGS},
    Change{IBV_QPT_UD, IBV_QPS_SQE, IBV_QPS_RTS, 0, IBV_QP_CUR_STATE | IBV_QP_QKEY},
};

struct AttributeName {
    int flag;
    std::string_view name;  // of ibv_qp_attr's member
};

constexpr std::array attribute_names{
    AttributeName{IBV_QP_STATE, "qp_state"},
    AttributeName{IBV_QP_CUR_STATE, "cur_qp_state"},
    AttributeName{IBV_QP_EN_SQD_ASYNC_NOTIFY, "en_sqd_async_notify"},
    AttributeName{IBV_QP_ACCESS_FLAGS, "qp_access_flags"},
    AttributeName{IBV_QP_PKEY_INDEX, "pkey_index"},
    AttributeName{IBV_QP_PORT, "port_num"},
    AttributeName{IBV_QP_QKEY, "qkey"},
    AttributeName{IBV_QP_AV, "ah_attr"},
    AttributeName{IBV_QP_PATH_MTU, "path_mtu"},
    AttributeName{IBV_QP_TIMEOUT, "timeout"},
    AttributeName{IBV_QP_RETRY_CNT, "retry_cnt"},
    AttributeName{IBV_QP_RNR_RETRY, "rnr_retry"},
    AttributeName{IBV_QP_RQ_PSN, "rq_psn"},
    AttributeName{IBV_QP_MAX_QP_RD_ATOMIC, "max_rd_atomic"},
    AttributeName{IBV_QP_ALT_PATH, "alt_ah_attr"},
    AttributeName{IBV_QP_MIN_RNR_TIMER, "min_rnr_timer"},
    AttributeName{IBV_QP_SQ_PSN, "sq_psn"},
    AttributeName{IBV_QP_MAX_DEST_RD_ATOMIC, "max_dest_rd_atomic"},
    AttributeName{IBV_QP_PATH_MIG_STATE, "path_mig_state"},
    AttributeName{IBV_QP_CAP, "cap"},
    AttributeName{IBV_QP_DEST_QPN, "dest_qp_num"},
    AttributeName{IBV_QP_RATE_LIMIT, "rate_limit"},
};

std::string names_in(int mask) {
    std::vector<std::string_view> names;
    for (const auto& [flag, name] : attribute_names)
        if ((mask & flag) != 0) names.push_back(name);
    return join(names, ", ");
}

std::optional<Change> find(ibv_qp_type type, ibv_qp_state from, ibv_qp_state to) {
    // From any state, and with no other attribute.
    if (to == IBV_QPS_RESET || to == IBV_QPS_ERR) return Change{type, from, to, 0, IBV_QP_CUR_STATE};
    for (const Change& change : changes)
        if (change.type == type && change.from == from && change.to == to) return change;
    return std::nullopt;
}

}  // namespace

std::string_view name_of(ibv_qp_state state) noexcept {
    switch (state) {
        case IBV_QPS_RESET:
            return "RESET";
        case IBV_QPS_INIT:
            return "INIT";
        case IBV_QPS_RTR:
            return "RTR";
        case IBV_QPS_RTS:
            return "RTS";
        case IBV_QPS_SQD:
            return "SQD";
        case IBV_QPS_SQE:
            return "SQE";
        case IBV_QPS_ERR:
            return "ERR";
        default:
            return "an unknown state";
    }
}

std::string_view name_of(ibv_qp_type type) noexcept {
    switch (type) {
        case IBV_QPT_RC:
            return "a reliable connected";
        case IBV_QPT_UC:
            return "an unreliable connected";
        case IBV_QPT_UD:
            return "a datagram";
        case IBV_QPT_RAW_PACKET:
            return "a raw packet";
        default:
            return "a special";
    }
}

std::string explain_transition(ibv_qp_type type, ibv_qp_state from, ibv_qp_state to, int mask) {
    if (type != IBV_QPT_RC && type != IBV_QPT_UC && type != IBV_QPT_UD && type != IBV_QPT_RAW_PACKET) return {};
    const auto change = find(type, from, to);
    if (!change && from == to) return fmt::format("{} queue pair takes no changes in {}", name_of(type), name_of(from));
    if (!change) return fmt::format("{} queue pair can't go from {} to {}", name_of(type), name_of(from), name_of(to));
    const int state_flag = from == to ? 0 : IBV_QP_STATE;
    const int missing = (change->needed | state_flag) & ~mask;
    const int refused = mask & ~(change->needed | change->optional | IBV_QP_STATE);
    if (missing == 0 && refused == 0) return {};
    const std::string needs = missing != 0 ? "needs " + names_in(missing) : "";
    const std::string takes = refused != 0 ? "doesn't take " + names_in(refused) : "";
    const std::string step = from == to ? fmt::format("in {}", name_of(from))
                                        : fmt::format("going from {} to {}", name_of(from), name_of(to));
    return fmt::format("{}, {} queue pair {}{}{}", step, name_of(type), needs,
                       missing != 0 && refused != 0 ? " and " : "", takes);
}

}  // namespace pktverbs::verbs
