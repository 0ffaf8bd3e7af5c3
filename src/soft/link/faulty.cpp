// SPDX-License-Identifier: Apache-2.0
#include "soft/link/faulty.hpp"

#include <sys/epoll.h>

#include <algorithm>
#include <cerrno>
#include <ctime>
#include <mutex>
#include <system_error>
#include <utility>

#include "base/counter.hpp"
#include "base/epoll.hpp"
#include "base/file_descriptor.hpp"
#include "soft/link/alarm.hpp"
#include "soft/link/delay_line.hpp"

namespace pktverbs::soft {
namespace {

void check_descriptor(int result) {
    if (result < 0) throw std::system_error{errno, std::generic_category(), "cannot watch a faulty link"};
}

/// False if that is none.
bool add_to_epoll(int epoll_fd, int fd) {
    const int result = control_epoll(epoll_fd, EPOLL_CTL_ADD, fd, EPOLLIN);
    if (result == 0 || errno == EINVAL) return result == 0;
    check_descriptor(result);
    return false;
}

/// The descriptor to wait for both. A link's own epoll instance takes the alarm: the kernel refuses too many of them
/// one inside the other, and users have theirs. `made` becomes one if it has none.
int watch_both(int alarm_fd, int other_fd, FileDescriptor& made) {
    if (other_fd < 0) return alarm_fd;
    if (add_to_epoll(other_fd, alarm_fd)) return other_fd;
    made = FileDescriptor{epoll_create1(EPOLL_CLOEXEC)};
    check_descriptor(made.get());
    for (const int fd : {alarm_fd, other_fd}) add_to_epoll(made.get(), fd);
    return made.get();
}

std::uint64_t clock_ns() noexcept {
    timespec now{};
    clock_gettime(CLOCK_MONOTONIC, &now);
    return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000U + static_cast<std::uint64_t>(now.tv_nsec);
}

class FaultyLink final : public ImpairedLink, private Sink {
public:
    FaultyLink(std::unique_ptr<Link> inner, const LinkFaults& faults)
        : inner_{std::move(inner)}, receive_fd_{watch_both(alarm_.fd(), inner_->receive_fd(), both_)} {
        alarm_.watched(true);
        set(faults);
    }

    void set_impairments(const LinkFaults& faults) override {
        const std::lock_guard lock{mutex_};
        set(faults);
    }
    ImpairmentCounters impairment_counters() const override {
        const std::lock_guard lock{mutex_};
        const FrameFaults::Counts& made = faults_.counts();
        return {.arrived = arrived_.value(),
                .duplicated = made.duplicated,
                .delivered = delivered_,
                .lost = made.lost,
                .overflowed = overflowed_,
                .held = line_.size() + (held_.empty() ? 0U : 1U),
                .reordered = made.reordered,
                .corrupted = made.corrupted};
    }

    MacAddress mac() const noexcept override { return inner_->mac(); }
    std::uint32_t mtu() const noexcept override { return inner_->mtu(); }
    bool up() const noexcept override { return inner_->up(); }
    std::vector<Ipv6Address> addresses() const override { return inner_->addresses(); }
    std::uint32_t interface_index() const noexcept override { return inner_->interface_index(); }
    bool verifies_checksums() const noexcept override { return inner_->verifies_checksums(); }

    void attach(Sink& sink) override {
        sink_ = &sink;
        inner_->attach(*this);
        const std::lock_guard lock{mutex_};
        show_held();
    }
    void detach() noexcept override {
        inner_->detach();
        const std::lock_guard lock{mutex_};
        held_.drop();
        line_.clear();
        show_held();
    }

    std::size_t send(std::span<const TxFrame> frames) noexcept override { return inner_->send(frames); }
    int send_fd() const noexcept override { return inner_->send_fd(); }
    int receive_fd() const noexcept override { return receive_fd_; }
    void waited() noexcept override { inner_->waited(); }
    void watched(bool on) noexcept override { inner_->watched(on); }
    int news_fd() const noexcept override { return inner_->news_fd(); }
    void take_news() noexcept override { inner_->take_news(); }

    void receive(std::size_t most) noexcept override {
        const std::uint64_t before = arrived_.value();
        inner_->receive(most);
        const std::lock_guard lock{mutex_};
        if (arrived_.value() == before) held_.release([this](const RxFrame& frame) { pass_on(frame); });
        release_due();
        show_held();
    }

    int set_flows(std::span<const FlowMatch* const> flows) noexcept override { return inner_->set_flows(flows); }
    bool looks_at_flows() const noexcept override { return inner_->looks_at_flows(); }
    bool follows_flows() const noexcept override { return inner_->follows_flows(); }
    int add_flow(const FlowMatch& flow) noexcept override { return inner_->add_flow(flow); }
    void remove_flow(const FlowMatch& flow) noexcept override { inner_->remove_flow(flow); }
    Link& innermost() noexcept override { return inner_->innermost(); }
    std::uint64_t lost() noexcept override { return inner_->lost() + lost_.value(); }
    std::uint64_t unsent() noexcept override { return inner_->unsent(); }

private:
    void deliver(std::span<const RxFrame> frames) noexcept override {
        const std::lock_guard lock{mutex_};
        arrived_.add(frames.size());
        for (const RxFrame& frame : frames)
            faults_.pass(frame, held_, [this](const RxFrame& arriving) { pass_or_delay(arriving); });
        release_due();
        lost_.raise_to(faults_.counts().lost + overflowed_);
        show_held();
    }
    void link_changed(bool up) noexcept override { sink_->link_changed(up); }
    void mtu_changed() noexcept override { sink_->mtu_changed(); }
    void addresses_changed() noexcept override { sink_->addresses_changed(); }
    void removed() noexcept override { sink_->removed(); }

    void set(const LinkFaults& faults) {
        faults_.set(faults);
        rate_ = faults.rate;
        limit_ = faults.limit;
        delays_ = any_delay(faults);
    }

    void pass_on(const RxFrame& frame) noexcept {
        ++delivered_;
        sink_->deliver({&frame, 1});
    }
    /// As netem_enqueue() of the kernel's net/sched/sch_netem.c: the line is free again when the frame before is due.
    void pass_or_delay(const RxFrame& frame) noexcept {
        if (!delays_ || faults_.skips_delay()) return pass_on(frame);
        std::uint64_t due = clock_ns() + static_cast<std::uint64_t>(faults_.delay().count());
        if (rate_ != 0) due = std::max(due, line_free_) + std::uint64_t{frame.length} * 8 * 1'000'000'000 / rate_;
        if (line_.size() >= limit_ || !line_.put(frame, due)) {
            ++overflowed_;
        } else if (rate_ != 0) {
            line_free_ = due;
        }
    }
    void release_due() noexcept {
        if (!line_.empty()) line_.release(clock_ns(), [this](const RxFrame& frame) { pass_on(frame); });
    }
    void show_held() noexcept {
        alarm_.set(held_.empty() ? line_.next_due() : Alarm::at_once);
        wants_receive_.store(!held_.empty() || !line_.empty() || inner_->wants_receive(), std::memory_order_relaxed);
    }

    std::unique_ptr<Link> inner_;
    Alarm alarm_;
    FileDescriptor both_;  ///< an epoll instance, where the link has none
    int receive_fd_;
    Sink* sink_ = nullptr;

    mutable std::mutex mutex_;  // of all below; links deliver from other ends' threads
    FrameFaults faults_{FrameFaults::WhileHeld::draw_alike};
    std::uint64_t rate_ = 0;
    std::uint32_t limit_ = 0;
    bool delays_ = false;
    HeldFrame held_;
    DelayLine line_;
    std::uint64_t line_free_ = 0;  ///< when the last frame has left a line with a rate
    std::uint64_t delivered_ = 0;
    std::uint64_t overflowed_ = 0;
    Counter arrived_;
    Counter lost_;
};

}  // namespace

std::unique_ptr<ImpairedLink> make_faulty(std::unique_ptr<Link> inner, const LinkFaults& faults) {
    return std::make_unique<FaultyLink>(std::move(inner), faults);
}

void make_faulty(LinkPort& port, const LinkFaults& faults) {
    port.open = [open = std::move(port.open), faults] { return make_faulty(open(), faults); };
}

}  // namespace pktverbs::soft
