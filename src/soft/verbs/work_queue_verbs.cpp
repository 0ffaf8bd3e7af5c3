// SPDX-License-Identifier: Apache-2.0
// Work queues and indirection tables.
#include "soft/verbs/work_queue_verbs.hpp"

#include <cerrno>
#include <cstddef>
#include <utility>
#include <vector>

#include "soft/nic/indirection_table.hpp"
#include "soft/nic/nic.hpp"
#include "soft/nic/work_queue.hpp"
#include "soft/steering/receive_hash.hpp"
#include "soft/verbs/control_verbs.hpp"

namespace pktverbs::soft {

namespace control {
namespace {

// The errno values are those of rdma-core's ibv_cmd_create_wq and of the kernel's mlx5_ib_create_wq and
// mlx5_ib_modify_wq.
ibv_wq* create_wq(ibv_context* context, ibv_wq_init_attr* attr) {
    if ((attr->comp_mask & ~std::uint32_t{IBV_WQ_INIT_ATTR_FLAGS}) != 0) return refuse<ibv_wq>(EINVAL);
    if ((attr->comp_mask & IBV_WQ_INIT_ATTR_FLAGS) != 0 && (attr->create_flags & ~WorkQueue::flags_supported) != 0)
        return refuse<ibv_wq>(EOPNOTSUPP);
    if (attr->wq_type != IBV_WQT_RQ) return refuse<ibv_wq>(EINVAL);
    if (!attr->pd || !attr->cq || attr->pd->context != context || attr->cq->context != context)
        return refuse<ibv_wq>(EINVAL);
    if (attr->max_wr == 0 || attr->max_wr > WorkQueue::max_wr || attr->max_sge > WorkQueue::max_sge)
        return refuse<ibv_wq>(EINVAL);
    return guarded([=]() -> ibv_wq* { return new WorkQueue{Nic::of(context), *attr}; });
}

int modify_wq(ibv_wq* wq, ibv_wq_attr* attr) {
    constexpr std::uint32_t known = IBV_WQ_ATTR_STATE | IBV_WQ_ATTR_CURR_STATE | IBV_WQ_ATTR_FLAGS;
    if (attr->attr_mask == 0 || (attr->attr_mask & ~known) != 0) return EINVAL;
    constexpr std::uint32_t changeable = IBV_WQ_FLAGS_CVLAN_STRIPPING;
    if ((attr->attr_mask & IBV_WQ_ATTR_FLAGS) != 0 && (attr->flags_mask & ~changeable) != 0) return EOPNOTSUPP;
    return Nic::of(wq->context).is_gone() ? EIO : WorkQueue::of(wq).modify(*attr);
}

int destroy_wq(ibv_wq* base) {
    WorkQueue& wq = WorkQueue::of(base);
    if (wq.object_entry.in_use()) return EBUSY;
    wq.reset();
    delete &wq;
    return 0;
}

ibv_rwq_ind_table* create_rwq_ind_table(ibv_context* context, ibv_rwq_ind_table_init_attr* attr) {
    if (attr->comp_mask != 0 || attr->log_ind_tbl_size > IndirectionTable::max_log_size || !attr->ind_tbl)
        return refuse<ibv_rwq_ind_table>(EINVAL);
    return guarded([=]() -> ibv_rwq_ind_table* {
        std::vector<WorkQueue*> queues(std::size_t{1} << attr->log_ind_tbl_size);
        for (std::size_t i = 0; i < queues.size(); ++i) {
            ibv_wq* const wq = attr->ind_tbl[i];
            if (!wq || wq->context != context) return refuse<ibv_rwq_ind_table>(EINVAL);
            queues[i] = &WorkQueue::of(wq);
        }
        return new IndirectionTable{Nic::of(context), std::move(queues)};
    });
}

int destroy_rwq_ind_table(ibv_rwq_ind_table* base) { return destroy_unused(*static_cast<IndirectionTable*>(base)); }

}  // namespace
}  // namespace control

void install_work_queue_verbs(Nic& nic) noexcept {
    nic.create_wq = control::create_wq;
    nic.modify_wq = control::modify_wq;
    nic.destroy_wq = control::destroy_wq;
    nic.create_rwq_ind_table = control::create_rwq_ind_table;
    nic.destroy_rwq_ind_table = control::destroy_rwq_ind_table;
}

void report_work_queues(ibv_device_attr_ex& attr) noexcept {
    attr.rss_caps.supported_qpts = 1U << IBV_QPT_RAW_PACKET;
    attr.rss_caps.max_rwq_indirection_tables = ObjectTable::max_indirection_tables;
    attr.rss_caps.max_rwq_indirection_table_size = 1U << IndirectionTable::max_log_size;
    attr.rss_caps.rx_hash_fields_mask = ReceiveHash::fields_supported;
    attr.rss_caps.rx_hash_function = IBV_RX_HASH_FUNC_TOEPLITZ;
    attr.max_wq_type_rq = ObjectTable::max_work_queues;
}

}  // namespace pktverbs::soft
