// SPDX-License-Identifier: Apache-2.0
// The soft device's control verbs: checks what a NIC's driver and firmware would check, then makes the object.
#include <pktverbs/soft/device.hpp>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>
#include <new>
#include <optional>
#include <system_error>
#include <utility>

#include <pktverbs/ipv6_address.hpp>

#include "soft/completion_channel.hpp"
#include "soft/completion_queue.hpp"
#include "soft/control_verbs.hpp"
#include "soft/nic.hpp"
#include "soft/queue_pair.hpp"
#include "soft/soft_device.hpp"
#include "soft/work_queue_verbs.hpp"

namespace pktverbs::soft {

namespace {

constexpr std::uint64_t wc_flags_supported = std::uint64_t{IBV_WC_STANDARD_FLAGS} |
                                             IBV_WC_EX_WITH_COMPLETION_TIMESTAMP |
                                             IBV_WC_EX_WITH_COMPLETION_TIMESTAMP_WALLCLOCK | IBV_WC_EX_WITH_FLOW_TAG;

using control::count;
using control::Domain;
using control::guarded;
using control::in_use;
using control::refuse;

ibv_context* open_device(ibv_device* device) {
    return guarded([device] {
        return (new Nic{device, static_cast<SoftDevice*>(device)->open_link()})->context_base();
    });
}

int close_device(ibv_context* context) {
    Nic& nic = Nic::of(context);
    if (in_use(nic, nic.objects)) return EBUSY;  // hardware leaves them to the end of the process; here it is an error
    delete &nic;
    return 0;
}

int query_device(ibv_context* context, ibv_device_attr* attr) {
    *attr = {};
    std::strncpy(attr->fw_ver, "soft", sizeof attr->fw_ver);
    const auto mac = Nic::of(context).link().mac().bytes();
    const auto gid = Ipv6Address::link_local(MacAddress{mac}).bytes();
    std::memcpy(&attr->node_guid, gid.data() + 8, sizeof attr->node_guid);
    attr->sys_image_guid = attr->node_guid;
    attr->max_mr_size = UINT64_MAX;
    attr->page_size_cap = 4096;
    attr->max_qp = static_cast<int>(Nic::max_queue_pairs);
    attr->max_qp_wr = static_cast<int>(QueuePair::max_wr);
    attr->device_cap_flags = IBV_DEVICE_MANAGED_FLOW_STEERING;
    attr->max_sge = static_cast<int>(QueuePair::max_sge);
    attr->max_cq = INT16_MAX;
    attr->max_cqe = static_cast<int>(CompletionQueue::max_entries);
    attr->max_mr = static_cast<int>(MemoryRegions::capacity);
    attr->max_pd = INT16_MAX;
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
    attr->device_cap_flags_ex = attr->orig_attr.device_cap_flags;
    // No offloads: cvlan stripping, FCS scatter, checksums and delayed drop are all absent.
    attr->raw_packet_caps = 0;
    attr->phys_port_cnt_ex = 1;
    report_work_queues(*attr);
    return 0;
}

// The same as ibv_query_device_ex reaches through the context: there with the size of the caller's structure.
int query_device_ex_sized(ibv_context* context, const ibv_query_device_ex_input* input, ibv_device_attr_ex* attr,
                          std::size_t size) {
    ibv_device_attr_ex whole;
    if (const int error = query_device_ex(context, input, &whole)) return error;
    std::memcpy(attr, &whole, std::min(size, sizeof whole));
    return 0;
}

ibv_mtu mtu_class(std::uint32_t mtu) noexcept {
    if (mtu >= 4096) return IBV_MTU_4096;
    if (mtu >= 2048) return IBV_MTU_2048;
    if (mtu >= 1024) return IBV_MTU_1024;
    return mtu >= 512 ? IBV_MTU_512 : IBV_MTU_256;
}

int query_port(ibv_context* context, std::uint8_t port, ibv_port_attr* attr) {
    if (port != 1) return EINVAL;
    Link& link = Nic::of(context).link();
    const bool up = link.up();
    *attr = {};
    attr->state = up ? IBV_PORT_ACTIVE : IBV_PORT_DOWN;
    attr->max_mtu = IBV_MTU_4096;
    attr->active_mtu = mtu_class(link.mtu());
    attr->gid_tbl_len = 1;
    attr->max_msg_sz = link.mtu();
    attr->pkey_tbl_len = 1;
    attr->active_width = 2;         // 4X
    attr->active_speed = 32;        // EDR: 25 Gb/s a lane
    attr->phys_state = up ? 5 : 3;  // LinkUp, Disabled
    attr->link_layer = IBV_LINK_LAYER_ETHERNET;
    return 0;
}

int query_port_sized(ibv_context* context, std::uint8_t port, ibv_port_attr* attr, std::size_t size) {
    ibv_port_attr whole;
    if (const int error = query_port(context, port, &whole)) return error;
    std::memcpy(attr, &whole, std::min(size, sizeof whole));
    return 0;
}

/// RoCE ports begin their tables with the link-local address as version 1.
int query_gid_ex(ibv_context* context, std::uint32_t port, std::uint32_t index, ibv_gid_entry* entry,
                 std::uint32_t flags) {
    if (flags != 0) return EOPNOTSUPP;
    if (port != 1) return EINVAL;
    if (index != 0) return ENODATA;
    *entry = {};
    entry->port_num = port;
    entry->gid_type = IBV_GID_TYPE_ROCE_V1;
    const auto bytes = Ipv6Address::link_local(Nic::of(context).link().mac()).bytes();
    std::copy(bytes.begin(), bytes.end(), entry->gid.raw);
    return 0;
}

int query_gid(ibv_context* context, std::uint8_t port, int index, ibv_gid* gid) {
    if (port != 1 || index != 0) {
        errno = EINVAL;
        return -1;
    }
    const auto bytes = Ipv6Address::link_local(Nic::of(context).link().mac()).bytes();
    std::copy(bytes.begin(), bytes.end(), gid->raw);
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

ibv_pd* alloc_pd(ibv_context* context) {
    return guarded([context]() -> ibv_pd* {
        auto domain = std::make_unique<Domain>();
        domain->context = context;
        Nic& nic = Nic::of(context);
        const std::lock_guard lock{nic.objects_mutex()};
        ++nic.objects;
        return domain.release();
    });
}

int dealloc_pd(ibv_pd* pd) {
    auto* domain = static_cast<Domain*>(pd);
    Nic& nic = Nic::of(pd->context);
    if (in_use(nic, domain->users)) return EBUSY;
    int none = 0;
    count(nic, none, -1);
    delete domain;
    return 0;
}

ibv_mr* reg_mr(ibv_pd* pd, void* addr, std::size_t length, int access) {
    constexpr int known = IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_WRITE | IBV_ACCESS_REMOTE_READ |
                          IBV_ACCESS_REMOTE_ATOMIC | IBV_ACCESS_HUGETLB | IBV_ACCESS_RELAXED_ORDERING;
    const auto address = reinterpret_cast<std::uint64_t>(addr);
    if (length == 0 || address + length < address) return refuse<ibv_mr>(EINVAL);
    // ibv_reg_mr(3): remote write and atomics need local write.
    const bool writable = (access & IBV_ACCESS_LOCAL_WRITE) != 0;
    if ((access & (IBV_ACCESS_REMOTE_WRITE | IBV_ACCESS_REMOTE_ATOMIC)) != 0 && !writable)
        return refuse<ibv_mr>(EINVAL);
    if ((access & ~known) != 0) return refuse<ibv_mr>(EOPNOTSUPP);
    return guarded([=]() -> ibv_mr* {
        auto mr = std::make_unique<ibv_mr>();
        Nic& nic = Nic::of(pd->context);
        mr->context = pd->context;
        mr->pd = pd;
        mr->addr = addr;
        mr->length = length;
        mr->lkey = mr->rkey = mr->handle = nic.regions().add(pd, address, length, writable);
        if (mr->lkey == 0) return refuse<ibv_mr>(ENOMEM);
        count(nic, static_cast<Domain*>(pd)->users, 1);
        return mr.release();
    });
}

// What raw packets have no use for.
ibv_mr* reg_dmabuf_mr(ibv_pd*, std::uint64_t, std::size_t, std::uint64_t, int, int) {
    return refuse<ibv_mr>(EOPNOTSUPP);
}
ibv_ah* create_ah(ibv_pd*, ibv_ah_attr*) { return refuse<ibv_ah>(EOPNOTSUPP); }
int destroy_ah(ibv_ah*) { return EOPNOTSUPP; }
ibv_srq* create_srq(ibv_pd*, ibv_srq_init_attr*) { return refuse<ibv_srq>(EOPNOTSUPP); }
int modify_srq(ibv_srq*, ibv_srq_attr*, int) { return EOPNOTSUPP; }
int query_srq(ibv_srq*, ibv_srq_attr*) { return EOPNOTSUPP; }
int destroy_srq(ibv_srq*) { return EOPNOTSUPP; }
int resize_cq(ibv_cq*, int) { return EOPNOTSUPP; }
int attach_mcast(ibv_qp*, const ibv_gid*, std::uint16_t) { return EOPNOTSUPP; }
int detach_mcast(ibv_qp*, const ibv_gid*, std::uint16_t) { return EOPNOTSUPP; }

int dereg_mr(ibv_mr* mr) {
    Nic& nic = Nic::of(mr->context);
    nic.regions().revoke(mr->lkey);
    nic.quiesce();  // the memory is the caller's again: nothing may still be copying to or from it
    nic.regions().release(mr->lkey);
    count(nic, static_cast<Domain*>(mr->pd)->users, -1);
    delete mr;
    return 0;
}

ibv_comp_channel* create_comp_channel(ibv_context* context) {
    return guarded([context]() -> ibv_comp_channel* {
        Nic& nic = Nic::of(context);
        auto channel = std::make_unique<CompletionChannel>(nic);
        nic.add_channel(*channel);
        const std::lock_guard lock{nic.objects_mutex()};
        ++nic.objects;
        return channel.release();
    });
}

int destroy_comp_channel(ibv_comp_channel* base) {
    auto* channel = static_cast<CompletionChannel*>(base);
    Nic& nic = Nic::of(base->context);
    if (in_use(nic, channel->refcnt)) return EBUSY;
    nic.remove_channel(*channel);
    int none = 0;
    count(nic, none, -1);
    delete channel;
    return 0;
}

int get_cq_event(ibv_comp_channel* channel, ibv_cq** cq, void** cq_context) {
    return static_cast<CompletionChannel*>(channel)->get_event(cq, cq_context);
}

void ack_cq_events(ibv_cq* cq, unsigned events) {
    pthread_mutex_lock(&cq->mutex);
    cq->comp_events_completed += events;
    pthread_cond_signal(&cq->cond);
    pthread_mutex_unlock(&cq->mutex);
}

CompletionQueue* make_cq(ibv_context* context, std::uint32_t entries, void* cq_context, ibv_comp_channel* base,
                         std::uint32_t comp_vector, std::optional<CompletionQueue::Extended> extended) {
    if (entries == 0 || entries > CompletionQueue::max_entries) return refuse<CompletionQueue>(EINVAL);
    if (comp_vector >= static_cast<std::uint32_t>(context->num_comp_vectors)) return refuse<CompletionQueue>(EINVAL);
    if (base && base->context != context) return refuse<CompletionQueue>(EINVAL);
    return guarded([=]() -> CompletionQueue* {
        Nic& nic = Nic::of(context);
        auto* channel = static_cast<CompletionChannel*>(base);
        auto cq = std::make_unique<CompletionQueue>(nic, entries, cq_context, channel, extended);
        int none = 0;
        count(nic, channel ? channel->refcnt : none, 1);
        if (cq->wants_timestamps()) nic.count_timestamp_users(1);
        return cq.release();
    });
}

ibv_cq* create_cq(ibv_context* context, int entries, void* cq_context, ibv_comp_channel* channel, int comp_vector) {
    if (entries < 0 || comp_vector < 0) return refuse<ibv_cq>(EINVAL);
    CompletionQueue* cq = make_cq(context, static_cast<std::uint32_t>(entries), cq_context, channel,
                                  static_cast<std::uint32_t>(comp_vector), std::nullopt);
    return cq ? cq->base() : nullptr;
}

ibv_cq_ex* create_cq_ex(ibv_context* context, ibv_cq_init_attr_ex* attr) {
    if ((attr->comp_mask & ~static_cast<std::uint32_t>(IBV_CQ_INIT_ATTR_MASK_FLAGS)) != 0)
        return refuse<ibv_cq_ex>(EINVAL);
    if ((attr->comp_mask & IBV_CQ_INIT_ATTR_MASK_FLAGS) != 0 &&
        (attr->flags & ~static_cast<std::uint32_t>(IBV_CREATE_CQ_ATTR_SINGLE_THREADED)) != 0)
        return refuse<ibv_cq_ex>(EOPNOTSUPP);
    if ((attr->wc_flags & ~wc_flags_supported) != 0) return refuse<ibv_cq_ex>(EOPNOTSUPP);
    return make_cq(context, attr->cqe, attr->cq_context, attr->channel, attr->comp_vector,
                   CompletionQueue::Extended{attr->wc_flags});
}

int destroy_cq(ibv_cq* base) {
    CompletionQueue& cq = CompletionQueue::of(base);
    Nic& nic = Nic::of(base->context);
    if (in_use(nic, cq.users)) return EBUSY;
    // ibv_get_cq_event(3), ibv_get_async_event(3): waits until every event that was given out is
    // acknowledged. Those that were not are dropped first, so that none is given out from here on.
    auto* channel = static_cast<CompletionChannel*>(base->channel);
    const std::uint32_t comp_events = channel ? channel->forget(cq) : 0;
    const std::uint32_t async_events = nic.forget_events(cq);
    pthread_mutex_lock(&base->mutex);
    while (base->comp_events_completed != comp_events || base->async_events_completed != async_events)
        pthread_cond_wait(&base->cond, &base->mutex);
    pthread_mutex_unlock(&base->mutex);
    if (cq.wants_timestamps()) nic.count_timestamp_users(-1);
    delete &cq;
    int none = 0;
    count(nic, channel ? channel->refcnt : none, -1);
    return 0;
}

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
        QueuePair* queue_pair = nic.create_queue_pair(pd, *attr);
        if (!queue_pair) return nullptr;
        const std::lock_guard lock{nic.objects_mutex()};
        ++static_cast<Domain*>(pd)->users;
        return queue_pair->base();
    });
}

int query_qp(ibv_qp* qp, ibv_qp_attr* attr, int, ibv_qp_init_attr* init) {
    return QueuePair::of(qp).query(*attr, *init);
}

int modify_qp(ibv_qp* qp, ibv_qp_attr* attr, int mask) { return QueuePair::of(qp).modify(*attr, mask); }

int destroy_qp(ibv_qp* qp) {
    Nic& nic = Nic::of(qp->context);
    auto* domain = static_cast<Domain*>(qp->pd);
    if (const int error = nic.destroy_queue_pair(QueuePair::of(qp))) return error;
    const std::lock_guard lock{nic.objects_mutex()};
    --domain->users;
    return 0;
}

ibv_flow* create_flow(ibv_qp* qp, ibv_flow_attr* attr) {
    return guarded([=] { return Nic::of(qp->context).create_flow(QueuePair::of(qp), *attr); });
}

int destroy_flow(ibv_flow* flow) { return Nic::of(flow->context).destroy_flow(flow); }

constexpr verbs::Provider table{
    .open_device = open_device,
    .close_device = close_device,
    .query_device = query_device,
    .query_device_ex = query_device_ex,
    .query_port = query_port,
    .query_gid = query_gid,
    .query_gid_ex = query_gid_ex,
    .get_async_event = get_async_event,
    .ack_async_event = ack_async_event,
    .alloc_pd = alloc_pd,
    .dealloc_pd = dealloc_pd,
    .reg_mr = reg_mr,
    .reg_dmabuf_mr = reg_dmabuf_mr,
    .dereg_mr = dereg_mr,
    .create_ah = create_ah,
    .destroy_ah = destroy_ah,
    .create_srq = create_srq,
    .modify_srq = modify_srq,
    .query_srq = query_srq,
    .destroy_srq = destroy_srq,
    .create_comp_channel = create_comp_channel,
    .destroy_comp_channel = destroy_comp_channel,
    .get_cq_event = get_cq_event,
    .ack_cq_events = ack_cq_events,
    .create_cq = create_cq,
    .create_cq_ex = create_cq_ex,
    .resize_cq = resize_cq,
    .destroy_cq = destroy_cq,
    .create_qp = create_qp,
    .query_qp = query_qp,
    .modify_qp = modify_qp,
    .destroy_qp = destroy_qp,
    .attach_mcast = attach_mcast,
    .detach_mcast = detach_mcast,
    .create_flow = create_flow,
    .destroy_flow = destroy_flow,
};

}  // namespace

// What the inline functions of infiniband/verbs.h reach through the context instead of the provider.
void install_verbs(Nic& nic) noexcept {
    ibv_context_ops& ops = nic.context.ops;
    ops.poll_cq = [](ibv_cq* cq, int n, ibv_wc* wc) { return CompletionQueue::of(cq).poll(n, wc); };
    ops.req_notify_cq = [](ibv_cq* cq, int solicited) { return CompletionQueue::of(cq).arm(solicited != 0); };
    ops.post_send = [](ibv_qp* qp, ibv_send_wr* wr, ibv_send_wr** bad) { return QueuePair::of(qp).post_send(wr, bad); };
    ops.post_recv = [](ibv_qp* qp, ibv_recv_wr* wr, ibv_recv_wr** bad) { return QueuePair::of(qp).post_recv(wr, bad); };
    ops.post_srq_recv = [](ibv_srq*, ibv_recv_wr*, ibv_recv_wr**) { return EOPNOTSUPP; };
    ops.alloc_mw = [](ibv_pd*, ibv_mw_type) { return refuse<ibv_mw>(EOPNOTSUPP); };
    ops.bind_mw = [](ibv_qp*, ibv_mw*, ibv_mw_bind*) { return EOPNOTSUPP; };
    ops.dealloc_mw = [](ibv_mw*) { return EOPNOTSUPP; };
    nic.query_port = query_port_sized;
    nic.query_device_ex = query_device_ex_sized;
    nic.create_cq_ex = create_cq_ex;
    nic.ibv_create_flow = create_flow;
    nic.ibv_destroy_flow = destroy_flow;
    install_work_queue_verbs(nic);
    install_extended_queue_pair_verbs(nic);
}

const verbs::Provider& provider() noexcept { return table; }

}  // namespace pktverbs::soft
