// SPDX-License-Identifier: Apache-2.0
// Opening, closing and asking a soft device, and its asynchronous events.
#include "soft/verbs/control_verbs.hpp"

#include <cerrno>
#include <cstring>

#include <pktverbs/address/ipv6_address.hpp>

#include "soft/device/soft_device.hpp"
#include "soft/link/open_failure.hpp"
#include "soft/nic/completion_queue.hpp"
#include "soft/nic/object_table.hpp"
#include "soft/nic/queue_pair.hpp"
#include "soft/verbs/work_queue_verbs.hpp"
#include "verbs/reason.hpp"

namespace pktverbs::soft::control {

ibv_context* open_device(ibv_device* device) {
    verbs::Reason::clear();
    return guarded([device] {
        try {
            return (new Nic{device, static_cast<SoftDevice*>(device)->port.open()})->context_base();
        } catch (const OpenFailure& failure) {
            verbs::Reason::set(failure.code().value(), failure.hint());
            throw;
        }
    });
}

int close_device(ibv_context* context) {
    Nic& nic = Nic::of(context);
    if (!nic.objects().empty()) return EBUSY;  // hardware leaves them to the end of the process; here it is an error
    delete &nic;
    return 0;
}

int query_device(ibv_context* context, ibv_device_attr* attr) {
    *attr = {};
    std::strncpy(attr->fw_ver, "soft", sizeof attr->fw_ver);
    // An OUI, as the field has it; this one is nobody's, being locally administered. Programs know vendors by
    // theirs, and rdma-core's own tests expect one that isn't 0.
    attr->vendor_id = 0x02706b;
    const auto mac = Nic::of(context).link_now().mac().bytes();
    const auto gid = Ipv6Address::link_local(MacAddress{mac}).bytes();
    std::memcpy(&attr->node_guid, gid.data() + 8, sizeof attr->node_guid);
    attr->sys_image_guid = attr->node_guid;
    attr->max_mr_size = UINT64_MAX;
    attr->page_size_cap = 4096;
    attr->max_qp = static_cast<int>(ObjectTable::max_queue_pairs);
    attr->max_qp_wr = static_cast<int>(QueuePair::max_wr);
    attr->device_cap_flags = IBV_DEVICE_PORT_ACTIVE_EVENT | IBV_DEVICE_SYS_IMAGE_GUID |
                             IBV_DEVICE_MANAGED_FLOW_STEERING |
                             IBV_DEVICE_RAW_IP_CSUM;  // not IBV_DEVICE_UD_IP_CSUM: there are no datagram queue pairs
    attr->max_sge = static_cast<int>(QueuePair::max_sge);
    attr->max_cq = INT16_MAX;
    attr->max_cqe = static_cast<int>(CompletionQueue::max_entries);
    attr->max_mr = static_cast<int>(MemoryRegions::capacity);
    attr->max_pd = INT16_MAX;
    attr->atomic_cap = IBV_ATOMIC_NONE;
    attr->max_raw_ethy_qp = attr->max_qp;
    attr->max_pkeys = 1;
    attr->phys_port_cnt = 1;
    return 0;
}

int query_device_ex(ibv_context* context, const ibv_query_device_ex_input* input, ibv_device_attr_ex* attr) {
    if (input && input->comp_mask != 0) return EINVAL;
    *attr = {};
    query_device(context, &attr->orig_attr);
    attr->completion_timestamp_mask = UINT64_MAX;
    attr->hca_core_clock = 1'000'000;  // kHz: timestamps are nanoseconds
    attr->device_cap_flags_ex = attr->orig_attr.device_cap_flags | IBV_DEVICE_RAW_SCATTER_FCS;
    attr->raw_packet_caps =
        IBV_RAW_PACKET_CAP_CVLAN_STRIPPING | IBV_RAW_PACKET_CAP_SCATTER_FCS | IBV_RAW_PACKET_CAP_IP_CSUM;
    attr->tso_caps = {.max_tso = QueuePair::max_tso, .supported_qpts = 1U << IBV_QPT_RAW_PACKET};
    // What is left 0 is absent: delayed drop, pacing, moderation of completions, device memory.
    attr->phys_port_cnt_ex = 1;
    report_work_queues(*attr);
    return 0;
}

int query_device_ex_sized(ibv_context* context, const ibv_query_device_ex_input* input, ibv_device_attr_ex* attr,
                          std::size_t size) {
    ibv_device_attr_ex whole;
    if (const int error = query_device_ex(context, input, &whole)) return error;
    copy_sized(attr, size, whole);
    return 0;
}

// As mlx5 has it: the clock is a count of its ticks, all of it in tv_nsec.
int query_rt_values(ibv_context*, ibv_values_ex* values) {
    if ((values->comp_mask & ~std::uint32_t{IBV_VALUES_MASK_RAW_CLOCK}) != 0) return EINVAL;
    if (values->comp_mask != 0) values->raw_clock = {.tv_sec = 0, .tv_nsec = static_cast<long>(Nic::now())};
    return 0;
}

int get_async_event(ibv_context* context, ibv_async_event* event) { return Nic::of(context).get_async_event(event); }

void ack_async_event(ibv_async_event* event) {
    if (event->event_type != IBV_EVENT_CQ_ERR) return;
    ibv_cq* const cq = event->element.cq;
    pthread_mutex_lock(&cq->mutex);
    ++cq->async_events_completed;
    pthread_cond_signal(&cq->cond);
    pthread_mutex_unlock(&cq->mutex);
}

}  // namespace pktverbs::soft::control
