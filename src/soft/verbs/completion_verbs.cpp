// SPDX-License-Identifier: Apache-2.0
// Completion channels and completion queues.
#include "soft/verbs/control_verbs.hpp"

#include <cerrno>
#include <memory>
#include <optional>

#include "soft/nic/completion_channel.hpp"
#include "soft/nic/completion_queue.hpp"
#include "soft/nic/domain.hpp"

namespace pktverbs::soft::control {

namespace {

constexpr std::uint64_t wc_flags_supported =
    std::uint64_t{IBV_WC_STANDARD_FLAGS} | IBV_WC_EX_WITH_COMPLETION_TIMESTAMP |
    IBV_WC_EX_WITH_COMPLETION_TIMESTAMP_WALLCLOCK | IBV_WC_EX_WITH_FLOW_TAG | IBV_WC_EX_WITH_CVLAN;

CompletionQueue* make_cq(ibv_context* context, std::uint32_t entries, void* cq_context, ibv_comp_channel* base,
                         std::uint32_t comp_vector, Domain* parent, std::optional<CompletionQueue::Extended> extended) {
    if (entries == 0 || entries > CompletionQueue::max_entries) return refuse<CompletionQueue>(EINVAL);
    if (comp_vector >= static_cast<std::uint32_t>(context->num_comp_vectors)) return refuse<CompletionQueue>(EINVAL);
    if (base && base->context != context) return refuse<CompletionQueue>(EINVAL);
    return guarded([=]() -> CompletionQueue* {
        Nic& nic = Nic::of(context);
        auto* const channel = static_cast<CompletionChannel*>(base);
        auto* const cq = new CompletionQueue{nic, entries, cq_context, channel, parent, extended};
        if (cq->wants_timestamps()) nic.count_timestamp_users(1);
        return cq;
    });
}

}  // namespace

ibv_comp_channel* create_comp_channel(ibv_context* context) {
    return guarded([context]() -> ibv_comp_channel* {
        Nic& nic = Nic::of(context);
        auto channel = std::make_unique<CompletionChannel>(nic);
        nic.add_channel(*channel);
        return channel.release();
    });
}

int destroy_comp_channel(ibv_comp_channel* base) {
    auto* channel = static_cast<CompletionChannel*>(base);
    if (channel->object_entry.in_use()) return EBUSY;
    Nic::of(base->context).remove_channel(*channel);
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

ibv_cq* create_cq(ibv_context* context, int entries, void* cq_context, ibv_comp_channel* channel, int comp_vector) {
    if (entries < 0 || comp_vector < 0) return refuse<ibv_cq>(EINVAL);
    CompletionQueue* cq = make_cq(context, static_cast<std::uint32_t>(entries), cq_context, channel,
                                  static_cast<std::uint32_t>(comp_vector), nullptr, std::nullopt);
    return cq ? cq->base() : nullptr;
}

ibv_cq_ex* create_cq_ex(ibv_context* context, ibv_cq_init_attr_ex* attr) {
    constexpr std::uint32_t known = IBV_CQ_INIT_ATTR_MASK_FLAGS | IBV_CQ_INIT_ATTR_MASK_PD;
    if ((attr->comp_mask & ~known) != 0) return refuse<ibv_cq_ex>(EINVAL);
    auto* const parent =
        (attr->comp_mask & IBV_CQ_INIT_ATTR_MASK_PD) != 0 ? static_cast<Domain*>(attr->parent_domain) : nullptr;
    // As on mlx5: a protection domain alone won't do.
    if ((attr->comp_mask & IBV_CQ_INIT_ATTR_MASK_PD) != 0 &&
        (!parent || parent->context != context || !parent->is_parent))
        return refuse<ibv_cq_ex>(EINVAL);
    if ((attr->comp_mask & IBV_CQ_INIT_ATTR_MASK_FLAGS) != 0 &&
        (attr->flags & ~static_cast<std::uint32_t>(IBV_CREATE_CQ_ATTR_SINGLE_THREADED)) != 0)
        return refuse<ibv_cq_ex>(EOPNOTSUPP);
    if ((attr->wc_flags & ~wc_flags_supported) != 0) return refuse<ibv_cq_ex>(EOPNOTSUPP);
    return make_cq(context, attr->cqe, attr->cq_context, attr->channel, attr->comp_vector, parent,
                   CompletionQueue::Extended{attr->wc_flags});
}

int resize_cq(ibv_cq* base, int entries) { return CompletionQueue::of(base).resize(entries); }

int destroy_cq(ibv_cq* base) {
    CompletionQueue& cq = CompletionQueue::of(base);
    Nic& nic = Nic::of(base->context);
    if (cq.object_entry.in_use()) return EBUSY;
    // ibv_get_cq_event(3), ibv_get_async_event(3): waits until every event that was given out is acknowledged. Pending
    // ones are dropped first, so that none is given out from here on.
    auto* channel = static_cast<CompletionChannel*>(base->channel);
    const std::uint32_t comp_events = channel ? channel->forget(cq) : 0;
    const std::uint32_t async_events = nic.forget_events(cq);
    pthread_mutex_lock(&base->mutex);
    while (base->comp_events_completed != comp_events || base->async_events_completed != async_events)
        pthread_cond_wait(&base->cond, &base->mutex);
    pthread_mutex_unlock(&base->mutex);
    if (cq.wants_timestamps()) nic.count_timestamp_users(-1);
    delete &cq;
    return 0;
}

}  // namespace pktverbs::soft::control
