// SPDX-License-Identifier: Apache-2.0
// libibverbs' functions on objects made from a context: soft ones are served here, others by the system's library.
#include <infiniband/verbs.h>

#include <cstddef>
#include <cstdint>

#include "dropin/process.hpp"
#include "dropin/system_verbs.hpp"
#include "soft/nic/queue_pair.hpp"

#undef ibv_reg_mr
#undef ibv_reg_mr_iova

using namespace pktverbs::dropin;

// Protection domains and memory.

PKTVERBS_EXPORTED ibv_pd* ibv_alloc_pd(ibv_context* context) {
    return is_soft(context) ? control().alloc_pd(context) : PKTVERBS_SYSTEM_VERB(ibv_alloc_pd, "IBVERBS_1.1")(context);
}

PKTVERBS_EXPORTED int ibv_dealloc_pd(ibv_pd* pd) {
    return is_soft(pd->context) ? control().dealloc_pd(pd) : PKTVERBS_SYSTEM_VERB(ibv_dealloc_pd, "IBVERBS_1.1")(pd);
}

PKTVERBS_EXPORTED ibv_mr* ibv_reg_mr(ibv_pd* pd, void* addr, std::size_t length, int access) {
    return is_soft(pd->context) ? control().reg_mr(pd, addr, length, access)
                                : PKTVERBS_SYSTEM_VERB(ibv_reg_mr, "IBVERBS_1.1")(pd, addr, length, access);
}

PKTVERBS_EXPORTED ibv_mr* ibv_reg_mr_iova(ibv_pd* pd, void* addr, std::size_t length, std::uint64_t iova, int access) {
    if (!is_soft(pd->context))
        return PKTVERBS_SYSTEM_VERB(ibv_reg_mr_iova, "IBVERBS_1.7")(pd, addr, length, iova, access);
    if (iova != reinterpret_cast<std::uintptr_t>(addr)) return unsupported<ibv_mr>();
    return control().reg_mr(pd, addr, length, access);
}

// The header's ibv_reg_mr macro comes here when the flags are not a constant. Optional flags are those that a device
// may ignore (ibv_reg_mr(3)).
PKTVERBS_EXPORTED ibv_mr* ibv_reg_mr_iova2(ibv_pd* pd, void* addr, std::size_t length, std::uint64_t iova,
                                           unsigned access) {
    if (!is_soft(pd->context))
        return PKTVERBS_SYSTEM_VERB(ibv_reg_mr_iova2, "IBVERBS_1.8")(pd, addr, length, iova, access);
    if (iova != reinterpret_cast<std::uintptr_t>(addr)) return unsupported<ibv_mr>();
    return control().reg_mr(pd, addr, length, static_cast<int>(access & ~std::uint32_t{IBV_ACCESS_OPTIONAL_RANGE}));
}

PKTVERBS_EXPORTED ibv_mr* ibv_reg_dmabuf_mr(ibv_pd* pd, std::uint64_t offset, std::size_t length, std::uint64_t iova,
                                            int fd, int access) {
    return is_soft(pd->context)
               ? control().reg_dmabuf_mr(pd, offset, length, iova, fd, access)
               : PKTVERBS_SYSTEM_VERB(ibv_reg_dmabuf_mr, "IBVERBS_1.12")(pd, offset, length, iova, fd, access);
}

PKTVERBS_EXPORTED int ibv_rereg_mr(ibv_mr* mr, int flags, ibv_pd* pd, void* addr, std::size_t length, int access) {
    if (!is_soft(mr->context))
        return PKTVERBS_SYSTEM_VERB(ibv_rereg_mr, "IBVERBS_1.1")(mr, flags, pd, addr, length, access);
    errno = EOPNOTSUPP;
    return IBV_REREG_MR_ERR_INPUT;  // the region is unchanged
}

PKTVERBS_EXPORTED int ibv_dereg_mr(ibv_mr* mr) {
    return is_soft(mr->context) ? control().dereg_mr(mr) : PKTVERBS_SYSTEM_VERB(ibv_dereg_mr, "IBVERBS_1.1")(mr);
}

// Another process's objects are imported by a kernel descriptor; ours have none.

PKTVERBS_EXPORTED ibv_pd* ibv_import_pd(ibv_context* context, std::uint32_t handle) {
    return is_soft(context) ? unsupported<ibv_pd>()
                            : PKTVERBS_SYSTEM_VERB(ibv_import_pd, "IBVERBS_1.10")(context, handle);
}

PKTVERBS_EXPORTED void ibv_unimport_pd(ibv_pd* pd) {
    if (!is_soft(pd->context)) PKTVERBS_SYSTEM_VERB(ibv_unimport_pd, "IBVERBS_1.10")(pd);
}

PKTVERBS_EXPORTED ibv_mr* ibv_import_mr(ibv_pd* pd, std::uint32_t handle) {
    return is_soft(pd->context) ? unsupported<ibv_mr>()
                                : PKTVERBS_SYSTEM_VERB(ibv_import_mr, "IBVERBS_1.10")(pd, handle);
}

PKTVERBS_EXPORTED void ibv_unimport_mr(ibv_mr* mr) {
    if (!is_soft(mr->context)) PKTVERBS_SYSTEM_VERB(ibv_unimport_mr, "IBVERBS_1.10")(mr);
}

PKTVERBS_EXPORTED ibv_dm* ibv_import_dm(ibv_context* context, std::uint32_t handle) {
    return is_soft(context) ? unsupported<ibv_dm>()
                            : PKTVERBS_SYSTEM_VERB(ibv_import_dm, "IBVERBS_1.13")(context, handle);
}

PKTVERBS_EXPORTED void ibv_unimport_dm(ibv_dm* dm) {
    if (!is_soft(dm->context)) PKTVERBS_SYSTEM_VERB(ibv_unimport_dm, "IBVERBS_1.13")(dm);
}

// Completions.

PKTVERBS_EXPORTED ibv_comp_channel* ibv_create_comp_channel(ibv_context* context) {
    return is_soft(context) ? control().create_comp_channel(context)
                            : PKTVERBS_SYSTEM_VERB(ibv_create_comp_channel, "IBVERBS_1.0")(context);
}

PKTVERBS_EXPORTED int ibv_destroy_comp_channel(ibv_comp_channel* channel) {
    return is_soft(channel->context) ? control().destroy_comp_channel(channel)
                                     : PKTVERBS_SYSTEM_VERB(ibv_destroy_comp_channel, "IBVERBS_1.0")(channel);
}

PKTVERBS_EXPORTED int ibv_get_cq_event(ibv_comp_channel* channel, ibv_cq** cq, void** cq_context) {
    return is_soft(channel->context) ? control().get_cq_event(channel, cq, cq_context)
                                     : PKTVERBS_SYSTEM_VERB(ibv_get_cq_event, "IBVERBS_1.1")(channel, cq, cq_context);
}

PKTVERBS_EXPORTED void ibv_ack_cq_events(ibv_cq* cq, unsigned count) {
    if (is_soft(cq->context)) return control().ack_cq_events(cq, count);
    PKTVERBS_SYSTEM_VERB(ibv_ack_cq_events, "IBVERBS_1.1")(cq, count);
}

PKTVERBS_EXPORTED ibv_cq* ibv_create_cq(ibv_context* context, int cqe, void* cq_context, ibv_comp_channel* channel,
                                        int comp_vector) {
    return is_soft(context)
               ? control().create_cq(context, cqe, cq_context, channel, comp_vector)
               : PKTVERBS_SYSTEM_VERB(ibv_create_cq, "IBVERBS_1.1")(context, cqe, cq_context, channel, comp_vector);
}

PKTVERBS_EXPORTED int ibv_resize_cq(ibv_cq* cq, int cqe) {
    return is_soft(cq->context) ? control().resize_cq(cq, cqe)
                                : PKTVERBS_SYSTEM_VERB(ibv_resize_cq, "IBVERBS_1.1")(cq, cqe);
}

PKTVERBS_EXPORTED int ibv_destroy_cq(ibv_cq* cq) {
    return is_soft(cq->context) ? control().destroy_cq(cq) : PKTVERBS_SYSTEM_VERB(ibv_destroy_cq, "IBVERBS_1.1")(cq);
}

// Queue pairs.

PKTVERBS_EXPORTED ibv_qp* ibv_create_qp(ibv_pd* pd, ibv_qp_init_attr* attr) {
    return is_soft(pd->context) ? control().create_qp(pd, attr)
                                : PKTVERBS_SYSTEM_VERB(ibv_create_qp, "IBVERBS_1.1")(pd, attr);
}

PKTVERBS_EXPORTED int ibv_query_qp(ibv_qp* qp, ibv_qp_attr* attr, int mask, ibv_qp_init_attr* init) {
    return is_soft(qp->context) ? control().query_qp(qp, attr, mask, init)
                                : PKTVERBS_SYSTEM_VERB(ibv_query_qp, "IBVERBS_1.1")(qp, attr, mask, init);
}

PKTVERBS_EXPORTED int ibv_modify_qp(ibv_qp* qp, ibv_qp_attr* attr, int mask) {
    return is_soft(qp->context) ? control().modify_qp(qp, attr, mask)
                                : PKTVERBS_SYSTEM_VERB(ibv_modify_qp, "IBVERBS_1.1")(qp, attr, mask);
}

PKTVERBS_EXPORTED int ibv_destroy_qp(ibv_qp* qp) {
    return is_soft(qp->context) ? control().destroy_qp(qp) : PKTVERBS_SYSTEM_VERB(ibv_destroy_qp, "IBVERBS_1.1")(qp);
}

PKTVERBS_EXPORTED ibv_qp_ex* ibv_qp_to_qp_ex(ibv_qp* qp) {
    if (!is_soft(qp->context)) return PKTVERBS_SYSTEM_VERB(ibv_qp_to_qp_ex, "IBVERBS_1.6")(qp);
    return pktverbs::soft::QueuePair::of(qp).extended();
}

// Data arrives in order, but a receiver may read it only after its completion: 0 is the safe answer.
PKTVERBS_EXPORTED int ibv_query_qp_data_in_order(ibv_qp* qp, ibv_wr_opcode opcode, std::uint32_t flags) {
    return is_soft(qp->context) ? 0
                                : PKTVERBS_SYSTEM_VERB(ibv_query_qp_data_in_order, "IBVERBS_1.14")(qp, opcode, flags);
}

PKTVERBS_EXPORTED int ibv_query_ece(ibv_qp* qp, ibv_ece* ece) {
    return is_soft(qp->context) ? EOPNOTSUPP : PKTVERBS_SYSTEM_VERB(ibv_query_ece, "IBVERBS_1.10")(qp, ece);
}

PKTVERBS_EXPORTED int ibv_set_ece(ibv_qp* qp, ibv_ece* ece) {
    return is_soft(qp->context) ? EOPNOTSUPP : PKTVERBS_SYSTEM_VERB(ibv_set_ece, "IBVERBS_1.10")(qp, ece);
}

PKTVERBS_EXPORTED int ibv_attach_mcast(ibv_qp* qp, const ibv_gid* gid, std::uint16_t lid) {
    return is_soft(qp->context) ? control().attach_mcast(qp, gid, lid)
                                : PKTVERBS_SYSTEM_VERB(ibv_attach_mcast, "IBVERBS_1.1")(qp, gid, lid);
}

PKTVERBS_EXPORTED int ibv_detach_mcast(ibv_qp* qp, const ibv_gid* gid, std::uint16_t lid) {
    return is_soft(qp->context) ? control().detach_mcast(qp, gid, lid)
                                : PKTVERBS_SYSTEM_VERB(ibv_detach_mcast, "IBVERBS_1.1")(qp, gid, lid);
}

// Shared receive queues and address handles: raw packets have neither.

PKTVERBS_EXPORTED ibv_srq* ibv_create_srq(ibv_pd* pd, ibv_srq_init_attr* attr) {
    return is_soft(pd->context) ? control().create_srq(pd, attr)
                                : PKTVERBS_SYSTEM_VERB(ibv_create_srq, "IBVERBS_1.1")(pd, attr);
}

PKTVERBS_EXPORTED int ibv_modify_srq(ibv_srq* srq, ibv_srq_attr* attr, int mask) {
    return is_soft(srq->context) ? control().modify_srq(srq, attr, mask)
                                 : PKTVERBS_SYSTEM_VERB(ibv_modify_srq, "IBVERBS_1.1")(srq, attr, mask);
}

PKTVERBS_EXPORTED int ibv_query_srq(ibv_srq* srq, ibv_srq_attr* attr) {
    return is_soft(srq->context) ? control().query_srq(srq, attr)
                                 : PKTVERBS_SYSTEM_VERB(ibv_query_srq, "IBVERBS_1.1")(srq, attr);
}

PKTVERBS_EXPORTED int ibv_destroy_srq(ibv_srq* srq) {
    return is_soft(srq->context) ? control().destroy_srq(srq)
                                 : PKTVERBS_SYSTEM_VERB(ibv_destroy_srq, "IBVERBS_1.1")(srq);
}

PKTVERBS_EXPORTED ibv_ah* ibv_create_ah(ibv_pd* pd, ibv_ah_attr* attr) {
    return is_soft(pd->context) ? control().create_ah(pd, attr)
                                : PKTVERBS_SYSTEM_VERB(ibv_create_ah, "IBVERBS_1.1")(pd, attr);
}

PKTVERBS_EXPORTED int ibv_init_ah_from_wc(ibv_context* context, std::uint8_t port, ibv_wc* wc, ibv_grh* grh,
                                          ibv_ah_attr* attr) {
    return is_soft(context) ? unsupported_minus_one()
                            : PKTVERBS_SYSTEM_VERB(ibv_init_ah_from_wc, "IBVERBS_1.1")(context, port, wc, grh, attr);
}

PKTVERBS_EXPORTED ibv_ah* ibv_create_ah_from_wc(ibv_pd* pd, ibv_wc* wc, ibv_grh* grh, std::uint8_t port) {
    return is_soft(pd->context) ? unsupported<ibv_ah>()
                                : PKTVERBS_SYSTEM_VERB(ibv_create_ah_from_wc, "IBVERBS_1.1")(pd, wc, grh, port);
}

PKTVERBS_EXPORTED int ibv_destroy_ah(ibv_ah* ah) {
    return is_soft(ah->context) ? control().destroy_ah(ah) : PKTVERBS_SYSTEM_VERB(ibv_destroy_ah, "IBVERBS_1.1")(ah);
}

PKTVERBS_EXPORTED int ibv_resolve_eth_l2_from_gid(ibv_context* context, ibv_ah_attr* attr, std::uint8_t eth_mac[6],
                                                  std::uint16_t* vid) {
    return is_soft(context)
               ? unsupported_minus_one()
               : PKTVERBS_SYSTEM_VERB(ibv_resolve_eth_l2_from_gid, "IBVERBS_1.1")(context, attr, eth_mac, vid);
}
