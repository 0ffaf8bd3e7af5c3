// SPDX-License-Identifier: Apache-2.0
// Queue pairs and their flows.
#include "soft/verbs/control_verbs.hpp"

#include <cerrno>
#include <memory>
#include <mutex>

#include "soft/nic/nic.hpp"
#include "soft/nic/queue_pair.hpp"

namespace pktverbs::soft::control {

ibv_qp* create_qp(ibv_pd* pd, ibv_qp_init_attr* attr) {
    if (attr->qp_type != IBV_QPT_RAW_PACKET || attr->srq) return refuse<ibv_qp>(EOPNOTSUPP);
    if (!attr->send_cq || !attr->recv_cq || attr->send_cq->context != pd->context ||
        attr->recv_cq->context != pd->context)
        return refuse<ibv_qp>(EINVAL);
    const ibv_qp_cap& cap = attr->cap;
    if (cap.max_send_wr > QueuePair::max_wr || cap.max_recv_wr > QueuePair::max_wr ||
        cap.max_send_sge > QueuePair::max_sge || cap.max_recv_sge > QueuePair::max_sge ||
        cap.max_inline_data > QueuePair::max_inline)
        return refuse<ibv_qp>(EINVAL);
    return guarded([=]() -> ibv_qp* {
        Nic& nic = Nic::of(pd->context);
        auto queue_pair = std::make_unique<QueuePair>(nic, pd, *attr);
        nic.objects().list(*queue_pair);
        return queue_pair.release()->base();
    });
}

int query_qp(ibv_qp* qp, ibv_qp_attr* attr, int, ibv_qp_init_attr* init) {
    return QueuePair::of(qp).query(*attr, *init);
}

int modify_qp(ibv_qp* qp, ibv_qp_attr* attr, int mask) {
    return Nic::of(qp->context).is_gone() ? EIO : QueuePair::of(qp).modify(*attr, mask);
}

int destroy_qp(ibv_qp* qp) {
    Nic& nic = Nic::of(qp->context);
    QueuePair& queue_pair = QueuePair::of(qp);
    {
        const std::lock_guard lock{nic.receive_mutex()};
        if (queue_pair.flows > 0) return EBUSY;  // as the kernel counts them
    }
    nic.objects().unlist(queue_pair);
    queue_pair.reset();  // none of its completions is left over
    delete &queue_pair;
    return 0;
}

ibv_flow* create_flow(ibv_qp* qp, ibv_flow_attr* attr) {
    return guarded([=] { return Nic::of(qp->context).create_flow(QueuePair::of(qp), *attr); });
}

int destroy_flow(ibv_flow* flow) { return Nic::of(flow->context).destroy_flow(flow); }

}  // namespace pktverbs::soft::control
