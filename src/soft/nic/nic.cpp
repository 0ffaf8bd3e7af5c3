// SPDX-License-Identifier: Apache-2.0
#include "soft/nic/nic.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/epoll.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <ctime>
#include <new>
#include <system_error>

#include "base/epoll.hpp"
#include "net/frame_sizes.hpp"
#include "soft/nic/completion_channel.hpp"
#include "soft/nic/completion_queue.hpp"
#include "soft/nic/plain_sends.hpp"
#include "soft/nic/queue_pair.hpp"
#include "soft/steering/counters.hpp"

namespace pktverbs::soft {

namespace {

constexpr std::size_t receive_batch = 256;

struct SoftFlow : ibv_flow {
    QueuePair* queue_pair;
    FlowTable::Handle place;  ///< its name in the table
    Counters* counters;       ///< that it uses, until it ends
    ~SoftFlow() {
        if (counters) counters->remove_flow();
    }
};

}  // namespace

Nic::Nic(ibv_device* opened, std::unique_ptr<Link> link_opened)
    : verbs_context{},
      link_{std::move(link_opened)},
      verify_checksums_{link_->verifies_checksums()},
      private_copy_(max_frame()) {
    sz = sizeof(verbs_context);
    context.device = opened;
    context.cmd_fd = -1;
    context.num_comp_vectors = 1;
    context.abi_compat = __VERBS_ABI_IS_EXTENDED;
    make_async_fd();
    install_verbs(*this);
    link_->attach(*this);  // the last step that may fail: no destructor runs then
    pthread_mutex_init(&context.mutex, nullptr);
}

Nic::~Nic() {
    link_->detach();
    pthread_mutex_destroy(&context.mutex);
}

/// An epoll instance over an eventfd, for pending events, and the link's descriptor for changes, which become events in
/// get_async_event(): there is no thread to do it earlier.
void Nic::make_async_fd() {
    const auto check = [](int result) {
        if (result < 0) throw std::system_error{errno, std::generic_category(), "cannot make an event descriptor"};
    };
    check(event_.get());
    check(async_fd_.get());
    for (const int fd : {event_.get(), link_->news_fd()})
        if (fd >= 0) check(control_epoll(async_fd_.get(), EPOLL_CTL_ADD, fd, EPOLLIN));
    context.async_fd = async_fd_.get();
}

std::uint32_t Nic::max_frame() const noexcept { return link_->mtu() + max_ethernet_bytes; }

std::uint64_t Nic::timestamp() const noexcept {
    return timestamp_users_.load(std::memory_order_relaxed) == 0 ? 0 : now();
}

std::uint64_t Nic::now() noexcept {
    timespec time{};
    clock_gettime(CLOCK_REALTIME, &time);
    return static_cast<std::uint64_t>(time.tv_sec) * 1'000'000'000U + static_cast<std::uint64_t>(time.tv_nsec);
}

std::size_t Nic::transmit(std::span<const TxFrame> frames) noexcept {
    const std::lock_guard lock{transmit_mutex_};
    return link_->send(frames);
}

std::uint32_t Nic::transmit(PlainSends& sends) noexcept {
    if (const std::uint32_t passed = link_->pass_straight(sends); passed != 0) return passed;
    const std::lock_guard lock{transmit_mutex_};
    std::array<TxFrame, PlainSends::max_taken> frames;
    const auto gathered = sends.gather(frames);
    return gathered.empty() ? 0 : static_cast<std::uint32_t>(link_->send(gathered));
}

void Nic::sending_stalled() noexcept {
    if (sends_pending_.exchange(true)) return;
    const std::lock_guard lock{channels_mutex_};
    for (CompletionChannel* channel : channels_) channel->watch_send(true);
}

void Nic::work() noexcept {
    if (working_.exchange(true, std::memory_order_acquire)) return;  // another thread is doing it
    if (sends_pending_.load(std::memory_order_relaxed) && sends_pending_.exchange(false)) {
        objects_.for_each_queue_pair([](QueuePair& queue_pair) { queue_pair.resume_sending(); });
        // Under the lock: a send that stalls a moment later switches it on again.
        const std::lock_guard lock{channels_mutex_};
        if (!sends_pending_)
            for (CompletionChannel* channel : channels_) channel->watch_send(false);
    }
    if (flows_outdated_.load(std::memory_order_relaxed)) [[unlikely]]
        reapply_flows();
    if (link_->wants_receive()) link_->receive(receive_batch);
    working_.store(false, std::memory_order_release);
}

void Nic::raise_of_port(ibv_event_type type) noexcept {
    ibv_async_event event{};
    event.event_type = type;
    event.element.port_num = 1;
    raise(event);
}

void Nic::link_changed(bool up) noexcept { raise_of_port(up ? IBV_EVENT_PORT_ACTIVE : IBV_EVENT_PORT_ERR); }

// Hardware does not report this change. This event means "query the port again".
void Nic::mtu_changed() noexcept { raise_of_port(IBV_EVENT_CLIENT_REREGISTER); }

// As the kernel does for a RoCE port, whose GIDs are made of these addresses (drivers/infiniband/core/roce_gid_mgmt.c).
void Nic::addresses_changed() noexcept {
    reapply_flows();  // the link's filter depends on its own address
    raise_of_port(IBV_EVENT_GID_CHANGE);
}

/// A failure can't be reported, and without these flows no frames for the new address would arrive: work() tries again.
void Nic::reapply_flows() noexcept {
    const std::lock_guard lock{receive_mutex_};
    flows_outdated_.store(apply_flows() != 0, std::memory_order_relaxed);
}

void Nic::removed() noexcept {
    gone_.store(true, std::memory_order_relaxed);
    ibv_async_event event{};
    event.event_type = IBV_EVENT_DEVICE_FATAL;
    raise(event);
}

// The descriptor's count is above zero just while events wait, both under the lock.

void Nic::raise(const ibv_async_event& event) noexcept {
    const std::lock_guard lock{events_mutex_};
    events_.put(event);
    event_.set();
}

void Nic::raise(PendingEvent& event) noexcept {
    const std::lock_guard lock{events_mutex_};
    events_.put(event);
    event_.set();
}

bool Nic::pop(ibv_async_event* event) noexcept {
    const std::lock_guard lock{events_mutex_};
    if (events_.empty()) return false;
    *event = events_.take();
    if (events_.empty()) event_.clear();
    if (event->event_type == IBV_EVENT_CQ_ERR) ++CompletionQueue::of(event->element.cq).async_events_given;
    return true;
}

int Nic::get_async_event(ibv_async_event* event) noexcept {
    for (;;) {
        if (pop(event)) return 0;
        link_->take_news();
        if (pop(event)) return 0;
        if ((fcntl(context.async_fd, F_GETFL) & O_NONBLOCK) != 0) {
            errno = EAGAIN;
            return -1;
        }
        pollfd waiting{context.async_fd, POLLIN, 0};
        if (poll(&waiting, 1, -1) < 0) return -1;
    }
}

std::uint32_t Nic::forget_events(CompletionQueue& queue) noexcept {
    const std::lock_guard lock{events_mutex_};
    if (events_.remove(queue.error_event) && events_.empty()) event_.clear();
    return queue.async_events_given;
}

int Nic::apply_flows() noexcept try {
    if (!link_->looks_at_flows()) return 0;
    std::vector<const FlowMatch*> matches;
    flows_.matches(matches);
    return link_->set_flows(matches);
} catch (const std::bad_alloc&) {
    return ENOMEM;
}

ibv_flow* Nic::create_flow(QueuePair& queue_pair, const ibv_flow_attr& attr) {
    FlowMatch match;
    errno = read_flow_attr(attr, max_flow_attr_bytes, match);
    if (errno != 0) return nullptr;
    auto flow = std::make_unique<SoftFlow>();
    flow->context = &context;
    flow->queue_pair = &queue_pair;
    if (match.counters) {
        auto* counters = static_cast<Counters*>(match.counters);
        errno = counters->context == &context ? counters->add_flow() : EINVAL;
        if (errno != 0) return nullptr;
        flow->counters = counters;
    }
    const std::lock_guard lock{receive_mutex_};
    errno = flows_.add(match, &queue_pair, flow->place, queue_pair.spreads());
    flow->handle = static_cast<std::uint32_t>(flow->place);
    if (errno != 0) return nullptr;
    errno = link_->follows_flows() ? link_->add_flow(flows_.match(flow->place)) : apply_flows();
    if (errno != 0) {
        flows_.remove(flow->place);
        return nullptr;
    }
    ++queue_pair.flows;
    return flow.release();
}

int Nic::destroy_flow(ibv_flow* flow) noexcept {
    const std::unique_ptr<SoftFlow> owned{static_cast<SoftFlow*>(flow)};
    const std::lock_guard lock{receive_mutex_};
    // A link that can't narrow its filter delivers too much, which is harmless.
    const bool follows = link_->follows_flows();
    if (follows) link_->remove_flow(flows_.match(owned->place));
    flows_.remove(owned->place);
    --owned->queue_pair->flows;
    if (!follows) apply_flows();
    return 0;
}

void Nic::add_channel(CompletionChannel& channel) {
    const std::lock_guard lock{channels_mutex_};
    channels_.push_back(&channel);
    if (sends_pending_) channel.watch_send(true);
}

void Nic::remove_channel(CompletionChannel& channel) noexcept {
    const std::lock_guard lock{channels_mutex_};
    std::erase(channels_, &channel);
}

void Nic::quiesce() noexcept {
    { const std::lock_guard lock{receive_mutex_}; }
    objects_.for_each_queue_pair([](QueuePair& queue_pair) { queue_pair.resume_sending(); });
}

verbs::DeviceDrops Nic::drops() const noexcept {
    return {.out_of_buffer = out_of_buffer_.value(),
            .unmatched = unmatched_.value(),
            .fragments = fragments_.value(),
            .by_rule = by_rule_.value(),
            .not_ready = not_ready_.value(),
            .oversize = oversize_.value(),
            .link = link_->lost(),
            .unsent = link_->unsent()};
}

}  // namespace pktverbs::soft
