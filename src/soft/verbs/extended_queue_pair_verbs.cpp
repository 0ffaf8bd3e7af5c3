// SPDX-License-Identifier: Apache-2.0
// ibv_create_qp_ex: queue pairs that build work requests by functions, and queue pairs that spread received frames.
#include <pktverbs/soft/device.hpp>
#include <pktverbs/verbs/provider.hpp>

#include <cerrno>
#include <memory>
#include <new>

#include "soft/nic/indirection_table.hpp"
#include "soft/nic/nic.hpp"
#include "soft/nic/queue_pair.hpp"
#include "soft/steering/receive_hash.hpp"
#include "soft/verbs/control_verbs.hpp"
#include "soft/verbs/work_queue_verbs.hpp"

namespace pktverbs::soft {

namespace control {
namespace {

constexpr std::uint32_t not_modelled = IBV_QP_INIT_ATTR_XRCD;
constexpr std::uint32_t spreading = IBV_QP_INIT_ATTR_IND_TABLE | IBV_QP_INIT_ATTR_RX_HASH;
constexpr std::uint32_t known = not_modelled | spreading | IBV_QP_INIT_ATTR_PD | IBV_QP_INIT_ATTR_CREATE_FLAGS |
                                IBV_QP_INIT_ATTR_SEND_OPS_FLAGS | IBV_QP_INIT_ATTR_MAX_TSO_HEADER;
// A device does not receive its own frames, so there is no loopback to block.
constexpr std::uint32_t create_flags =
    IBV_QP_CREATE_BLOCK_SELF_MCAST_LB | IBV_QP_CREATE_CVLAN_STRIPPING | IBV_QP_CREATE_SCATTER_FCS;
constexpr std::uint64_t send_operations = IBV_QP_EX_WITH_SEND | IBV_QP_EX_WITH_TSO;

bool asks(const ibv_qp_init_attr_ex& attr, std::uint32_t for_any_of) noexcept {
    return (attr.comp_mask & for_any_of) != 0;
}

/// 0, or the errno for requests that no soft queue pair supports.
int check(const ibv_context* context, const ibv_qp_init_attr_ex& attr) noexcept {
    if (asks(attr, ~known) || !asks(attr, IBV_QP_INIT_ATTR_PD)) return EINVAL;
    if (!attr.pd || attr.pd->context != context) return EINVAL;
    if (asks(attr, not_modelled)) return EOPNOTSUPP;
    if (asks(attr, IBV_QP_INIT_ATTR_CREATE_FLAGS) && (attr.create_flags & ~create_flags) != 0) return EOPNOTSUPP;
    if (asks(attr, IBV_QP_INIT_ATTR_SEND_OPS_FLAGS) && (attr.send_ops_flags & ~send_operations) != 0) return EOPNOTSUPP;
    if (asks(attr, IBV_QP_INIT_ATTR_MAX_TSO_HEADER) && attr.max_tso_header > QueuePair::max_tso_header) return EINVAL;
    return 0;
}

/// A queue pair that spreads frames has nothing else: no queues, no flags (rdma-core's ibv_icmd_create_qp refuses
/// receive attributes, the kernel's mlx5 driver completion queues for sending and flags).
int check_spreading(const ibv_context* context, const ibv_qp_init_attr_ex& attr) noexcept {
    if (attr.qp_type != IBV_QPT_RAW_PACKET) return EOPNOTSUPP;
    if ((attr.comp_mask & spreading) != spreading) return EINVAL;
    if (!attr.rwq_ind_tbl || attr.rwq_ind_tbl->context != context) return EINVAL;
    if (attr.send_cq || attr.recv_cq || attr.srq) return EINVAL;
    if (attr.cap.max_send_wr != 0 || attr.cap.max_recv_wr != 0 || attr.cap.max_recv_sge != 0) return EINVAL;
    if (asks(attr, IBV_QP_INIT_ATTR_CREATE_FLAGS) && attr.create_flags != 0) return EINVAL;
    if (asks(attr, IBV_QP_INIT_ATTR_SEND_OPS_FLAGS | IBV_QP_INIT_ATTR_MAX_TSO_HEADER)) return EINVAL;
    return ReceiveHash::check(attr.rx_hash_conf, static_cast<IndirectionTable*>(attr.rwq_ind_tbl)->size());
}

ibv_qp* create_spreading(const ibv_qp_init_attr_ex& attr) {
    return guarded([&]() -> ibv_qp* {
        ibv_qp_init_attr without_queues{};
        without_queues.qp_context = attr.qp_context;
        Nic& nic = Nic::of(attr.pd->context);
        auto queue_pair = std::make_unique<QueuePair>(nic, attr.pd, without_queues);
        queue_pair->spread(*static_cast<IndirectionTable*>(attr.rwq_ind_tbl), attr.rx_hash_conf);
        nic.objects().list(*queue_pair);
        return queue_pair.release()->base();
    });
}

ibv_qp* create_qp_ex(ibv_context* context, ibv_qp_init_attr_ex* attr) {
    if (const int error = check(context, *attr)) return refuse<ibv_qp>(error);
    if (asks(*attr, spreading)) {
        if (const int error = check_spreading(context, *attr)) return refuse<ibv_qp>(error);
        return create_spreading(*attr);
    }
    ibv_qp_init_attr basic{attr->qp_context, attr->send_cq, attr->recv_cq,   attr->srq,
                           attr->cap,        attr->qp_type, attr->sq_sig_all};
    ibv_qp* const qp = provider().create_qp(attr->pd, &basic);
    if (!qp) return nullptr;
    attr->cap = basic.cap;
    QueuePair& queue_pair = QueuePair::of(qp);
    try {
        if (asks(*attr, IBV_QP_INIT_ATTR_MAX_TSO_HEADER)) queue_pair.allow_segmentation(attr->max_tso_header);
    } catch (const std::bad_alloc&) {
        provider().destroy_qp(qp);
        return refuse<ibv_qp>(ENOMEM);
    }
    if (asks(*attr, IBV_QP_INIT_ATTR_CREATE_FLAGS))
        queue_pair.set_receive_offloads({.strip_vlan = (attr->create_flags & IBV_QP_CREATE_CVLAN_STRIPPING) != 0,
                                         .scatter_fcs = (attr->create_flags & IBV_QP_CREATE_SCATTER_FCS) != 0});
    if (asks(*attr, IBV_QP_INIT_ATTR_SEND_OPS_FLAGS)) queue_pair.offer_send_ops(attr->send_ops_flags);
    return qp;
}

}  // namespace
}  // namespace control

void install_extended_queue_pair_verbs(Nic& nic) noexcept { nic.create_qp_ex = control::create_qp_ex; }

}  // namespace pktverbs::soft
