// SPDX-License-Identifier: Apache-2.0
#include "soft/nic/work_queue.hpp"

#include <algorithm>
#include <bit>
#include <cerrno>

#include "soft/nic/domain.hpp"
#include "soft/nic/nic.hpp"

namespace pktverbs::soft {

namespace {

ibv_wq_state wq_state_of(ReceiveQueue::State state) noexcept {
    if (state == ReceiveQueue::State::ready) return IBV_WQS_RDY;
    return state == ReceiveQueue::State::error ? IBV_WQS_ERR : IBV_WQS_RESET;
}

ReceiveQueue::State receive_state(ibv_wq_state state) noexcept {
    if (state == IBV_WQS_RDY) return ReceiveQueue::State::ready;
    return state == IBV_WQS_ERR ? ReceiveQueue::State::error : ReceiveQueue::State::reset;
}

// The two transitions that the kernel's mlx4_ib_modify_wq refuses (drivers/infiniband/hw/mlx4/qp.c); mlx5 leaves it to
// the firmware.
bool step_allowed(ibv_wq_state from, ibv_wq_state to) noexcept {
    if (from == IBV_WQS_ERR && to == IBV_WQS_RDY) return false;
    if (from == IBV_WQS_RESET && to == IBV_WQS_ERR) return false;
    return to <= IBV_WQS_ERR;
}

}  // namespace

WorkQueue::WorkQueue(Nic& nic, ibv_wq_init_attr& attr)
    : ibv_wq{},
      object_entry{nic.objects(),
                   ObjectEntry::Kind::work_queue,
                   {&Domain::of(attr.pd).object_entry, &CompletionQueue::of(attr.cq).object_entry}},
      nic_{nic},
      receives_{nic,
                attr.pd,
                &CompletionQueue::of(attr.cq),
                std::bit_ceil(attr.max_wr),
                std::max(attr.max_sge, 1U),
                object_entry.number()} {
    attr.max_wr = std::bit_ceil(attr.max_wr);
    attr.max_sge = std::max(attr.max_sge, 1U);
    context = nic.context_base();
    wq_context = attr.wq_context;
    pd = attr.pd;
    cq = attr.cq;
    wq_num = object_entry.number();
    handle = object_entry.number();
    if ((attr.comp_mask & IBV_WQ_INIT_ATTR_FLAGS) != 0)
        receives_.set_offloads({.strip_vlan = (attr.create_flags & IBV_WQ_FLAGS_CVLAN_STRIPPING) != 0,
                                .scatter_fcs = (attr.create_flags & IBV_WQ_FLAGS_SCATTER_FCS) != 0});
    state = IBV_WQS_RESET;
    wq_type = IBV_WQT_RQ;
    post_recv = [](ibv_wq* wq, ibv_recv_wr* wr, ibv_recv_wr** bad_wr) {
        return WorkQueue::of(wq).receives_.post(wr, bad_wr);
    };
}

int WorkQueue::modify(const ibv_wq_attr& attr) noexcept {
    const std::lock_guard modifying{modify_mutex_};
    if (const int error = step(attr)) return error;
    if (receives_.state() == ReceiveQueue::State::reset) receives_.forget();
    return 0;
}

int WorkQueue::step(const ibv_wq_attr& attr) noexcept {
    const std::lock_guard posting{receives_.post_mutex()};
    const std::lock_guard receiving{nic_.receive_mutex()};
    const ibv_wq_state from = wq_state_of(receives_.state());
    if ((attr.attr_mask & IBV_WQ_ATTR_CURR_STATE) != 0 && attr.curr_wq_state != from) return EINVAL;
    const ibv_wq_state to = (attr.attr_mask & IBV_WQ_ATTR_STATE) != 0 ? attr.wq_state : from;
    if (!step_allowed(from, to)) return EINVAL;
    if ((attr.attr_mask & IBV_WQ_ATTR_FLAGS) != 0 && (attr.flags_mask & IBV_WQ_FLAGS_CVLAN_STRIPPING) != 0) {
        ReceiveQueue::Offloads offloads = receives_.offloads();
        offloads.strip_vlan = (attr.flags & IBV_WQ_FLAGS_CVLAN_STRIPPING) != 0;
        receives_.set_offloads(offloads);
    }
    receives_.change(receive_state(to));
    state = to;
    return 0;
}

void WorkQueue::reset() noexcept {
    ibv_wq_attr attr{};
    attr.attr_mask = IBV_WQ_ATTR_STATE;
    attr.wq_state = IBV_WQS_RESET;
    modify(attr);
}

}  // namespace pktverbs::soft
