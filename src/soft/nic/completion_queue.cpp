// SPDX-License-Identifier: Apache-2.0
#include "soft/nic/completion_queue.hpp"

#include <algorithm>
#include <bit>
#include <cerrno>
#include <mutex>
#include <new>

#include "soft/nic/completion_channel.hpp"
#include "soft/nic/domain.hpp"
#include "soft/nic/nic.hpp"

namespace pktverbs::soft {

CompletionQueue::CompletionQueue(Nic& nic, std::uint32_t entries, void* context_of_user,
                                 CompletionChannel* channel_used, Domain* parent, std::optional<Extended> extended)
    : ibv_cq_ex{},
      object_entry{nic.objects(),
                   ObjectEntry::Kind::other,
                   {channel_used ? &channel_used->object_entry : nullptr, parent ? &parent->object_entry : nullptr}},
      nic_{nic},
      channel_{channel_used},
      extended_{extended.has_value()},
      wants_timestamps_{extended && (extended->wc_flags & (IBV_WC_EX_WITH_COMPLETION_TIMESTAMP |
                                                           IBV_WC_EX_WITH_COMPLETION_TIMESTAMP_WALLCLOCK)) != 0},
      ring_{std::make_unique<Completion[]>(std::bit_ceil(entries))},
      details_{extended ? std::make_unique<CompletionDetails[]>(std::bit_ceil(entries)) : nullptr},
      mask_{std::bit_ceil(entries) - 1} {
    context = nic.context_base();
    channel = channel_used;
    cq_context = context_of_user;
    cqe = static_cast<int>(mask_ + 1);
    pthread_mutex_init(&mutex, nullptr);
    pthread_cond_init(&cond, nullptr);
    install_readers();
}

CompletionQueue::~CompletionQueue() {
    if (waits()) channel_->count_waiting(-1);
    pthread_cond_destroy(&cond);
    pthread_mutex_destroy(&mutex);
}

void CompletionQueue::Writer::change(CompletionQueue& queue) noexcept {
    if (queue_) queue_->mutex_.unlock();
    queue_ = &queue;
    queue.mutex_.lock();
}

/// Under mutex_. None while someone is to be notified, or after an overrun.
CompletionQueue::Places CompletionQueue::places() noexcept {
    Places places;
    if (armed_ != Armed::no || overrun_) return places;
    const std::uint32_t next = tail_ & mask_;
    places.completions_ = &ring_[next];
    places.details_ = details_ ? &details_[next] : nullptr;
    places.count_ = mask_ + 1 - std::max(tail_ - head_, next);
    return places;
}

void CompletionQueue::push(const Completion::Result& result, CompletionSource& source, std::uint32_t reclaim,
                           const CompletionDetails& details) noexcept {
    if (overrun_ || tail_ - head_ > mask_) [[unlikely]]
        return overrun();
    const std::uint32_t place = tail_ & mask_;
    tail_ = tail_ + 1;
    ring_[place].write(result, source, reclaim);
    if (details_) details_[place] = details;
    if (armed_ != Armed::no && (armed_ == Armed::for_any || result.status != IBV_WC_SUCCESS)) {
        const bool waited = waits();
        armed_ = Armed::no;
        channel_->notify(*this, waited);
    }
}

// ibv_poll_cq(3): after an overrun there is an asynchronous event, and the queue can't be used any more.
void CompletionQueue::overrun() noexcept {
    if (overrun_) return;
    overrun_ = true;
    error_event.event.event_type = IBV_EVENT_CQ_ERR;
    error_event.event.element.cq = base();
    nic_.raise(error_event);
}

int CompletionQueue::take(int count, ibv_wc* wcs) noexcept {
    const std::lock_guard lock{mutex_};
    const std::uint32_t taken = std::min(static_cast<std::uint32_t>(count), tail_ - head_);
    if (taken == 0) return overrun_ ? -EIO : 0;
    const std::uint32_t first = head_ & mask_;
    head_ = head_ + taken;
    const std::uint32_t until_end = std::min(taken, mask_ + 1 - first);
    const Completion* last = &ring_[first];
    const auto copy = [&](const Completion* from, std::uint32_t count) {
        for (const Completion* const end = from + count; from != end; ++from, ++wcs) {
            *wcs = from->wc;
            // The last one of a source frees those before it, too.
            if (last->source != from->source) [[unlikely]]
                last->free_entries();
            last = from;
        }
    };
    copy(last, until_end);
    copy(ring_.get(), taken - until_end);
    last->free_entries();
    return static_cast<int>(taken);
}

int CompletionQueue::poll(int count, ibv_wc* wcs) noexcept {
    if (count <= 0) return count < 0 ? -EINVAL : 0;
    std::unique_lock<QuickMutex> polling;
    if (extended_) polling = std::unique_lock{poll_mutex_};
    const int taken = is_idle() ? 0 : take(count, wcs);
    if (taken == count || taken < 0 || !nic_.has_work()) return taken;
    // What is there already is not kept waiting for more. But a program that has armed the queue is going to wait, and
    // one that sends before each poll always finds something, and would never receive.
    if (taken != 0 && armed_.load(std::memory_order_relaxed) == Armed::no &&
        (quick_polls_ = quick_polls_ + 1) % polls_per_work != 0)
        return taken;
    nic_.work();
    const int more = is_idle() ? 0 : take(count - taken, wcs + taken);
    return more < 0 && taken != 0 ? taken : taken + more;
}

int CompletionQueue::arm(bool solicited_only) noexcept {
    if (!channel_) return 0;
    const std::lock_guard lock{mutex_};
    const bool waited = waits();
    // A weaker request never takes back a stronger one (InfiniBand specification, volume 1, 11.4.2.2).
    if (!solicited_only || armed_ == Armed::for_any)
        armed_ = Armed::for_any;
    else
        armed_ = Armed::for_errors;
    if (waits() && !waited) channel_->count_waiting(1);
    return 0;
}

void CompletionQueue::count_receivers(int change) noexcept {
    const std::lock_guard lock{mutex_};
    const bool waited = waits();
    receivers_ += change;
    if (waits() != waited) channel_->count_waiting(waited ? -1 : 1);
}

int CompletionQueue::resize(int entries) noexcept {
    if (entries <= 0 || static_cast<std::uint32_t>(entries) > max_entries) return EINVAL;
    const auto wanted = static_cast<std::uint32_t>(entries);
    const std::uint32_t granted = std::bit_ceil(wanted);
    std::unique_ptr<Completion[]> ring{new (std::nothrow) Completion[granted]};
    std::unique_ptr<CompletionDetails[]> details{extended_ ? new (std::nothrow) CompletionDetails[granted] : nullptr};
    if (!ring || (extended_ && !details)) return ENOMEM;
    const std::lock_guard lock{mutex_};
    // Entries that a poller has fetched still count: their places are freed only when it polls on.
    if (tail_ - head_ > wanted) return EINVAL;
    // At the same running numbers, so that counting from head_ still works.
    for (std::uint32_t i = head_; i != tail_; ++i) {
        ring[i & (granted - 1)] = ring_[i & mask_];
        if (details) details[i & (granted - 1)] = details_[i & mask_];
    }
    ring_.swap(ring);
    details_.swap(details);
    mask_ = granted - 1;
    cqe = static_cast<int>(granted);
    return 0;
}

void CompletionQueue::forget(const CompletionSource& source) noexcept {
    const std::lock_guard polling{poll_mutex_};
    const std::lock_guard lock{mutex_};
    std::uint32_t kept = head_;
    for (std::uint32_t i = head_; i != tail_; ++i) {
        if (ring_[i & mask_].source == &source) continue;
        ring_[kept & mask_] = ring_[i & mask_];
        if (details_) details_[kept & mask_] = details_[i & mask_];
        ++kept;
    }
    tail_ = kept;
}

/// Frees the places of polled completions, and copies the next ones.
int CompletionQueue::refill(std::uint32_t most) noexcept {
    const std::lock_guard lock{mutex_};
    for (std::uint32_t i = 0; i < fetched_next_; ++i) ring_[(head_ + i) & mask_].free_entries();
    head_ = head_ + fetched_next_;
    fetched_next_ = 0;
    fetched_count_ = std::min(most, tail_ - head_);
    for (std::uint32_t i = 0; i < fetched_count_; ++i) {
        const std::uint32_t place = (head_ + i) & mask_;
        fetched_[i] = {ring_[place], details_[place]};
    }
    if (fetched_count_ > 0) return 0;
    return overrun_ ? EIO : ENOENT;
}

int CompletionQueue::fetch() noexcept {
    if (fetched_next_ == fetched_count_) {
        const auto next_batch = [this] { return fetched_next_ == 0 && is_idle() ? ENOENT : refill(batch); };
        int result = next_batch();
        if (result == ENOENT && nic_.has_work()) {
            nic_.work();
            result = next_batch();
        }
        if (result != 0) return result;
    }
    current_ = &fetched_[fetched_next_++];
    wr_id = current_->completion.wc.wr_id;
    status = current_->completion.wc.status;
    return 0;
}

void CompletionQueue::install_readers() noexcept {
    start_poll = [](ibv_cq_ex* cq, ibv_poll_cq_attr* attr) -> int {
        auto& queue = *static_cast<CompletionQueue*>(cq);
        if (attr && attr->comp_mask != 0) return EINVAL;
        queue.poll_mutex_.lock();
        const int result = queue.fetch();
        if (result != 0) queue.poll_mutex_.unlock();  // ibv_create_cq_ex(3): no end_poll after a failed start_poll
        return result;
    };
    next_poll = [](ibv_cq_ex* cq) { return static_cast<CompletionQueue*>(cq)->fetch(); };
    end_poll = [](ibv_cq_ex* cq) {
        auto& queue = *static_cast<CompletionQueue*>(cq);
        if (queue.fetched_next_ != 0) queue.refill(0);
        queue.poll_mutex_.unlock();
    };
    read_opcode = [](ibv_cq_ex* cq) { return current_of(cq).completion.wc.opcode; };
    read_vendor_err = [](ibv_cq_ex*) -> std::uint32_t { return 0; };
    read_byte_len = [](ibv_cq_ex* cq) { return current_of(cq).completion.wc.byte_len; };
    read_imm_data = [](ibv_cq_ex*) -> __be32 { return 0; };
    read_qp_num = [](ibv_cq_ex* cq) { return current_of(cq).completion.wc.qp_num; };
    read_src_qp = [](ibv_cq_ex*) -> std::uint32_t { return 0; };
    read_wc_flags = [](ibv_cq_ex* cq) { return current_of(cq).completion.wc.wc_flags; };
    read_slid = [](ibv_cq_ex*) -> std::uint32_t { return 0; };
    read_sl = [](ibv_cq_ex*) -> std::uint8_t { return 0; };
    read_dlid_path_bits = [](ibv_cq_ex*) -> std::uint8_t { return 0; };
    read_completion_ts = [](ibv_cq_ex* cq) { return current_of(cq).details.timestamp_ns; };
    read_cvlan = [](ibv_cq_ex* cq) { return current_of(cq).details.vlan_tci; };
    read_flow_tag = [](ibv_cq_ex* cq) { return current_of(cq).details.flow_tag; };
    read_tm_info = [](ibv_cq_ex*, ibv_wc_tm_info* info) { *info = {}; };
    read_completion_wallclock_ns = [](ibv_cq_ex* cq) { return current_of(cq).details.timestamp_ns; };
}

}  // namespace pktverbs::soft
