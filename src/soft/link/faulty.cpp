// SPDX-License-Identifier: Apache-2.0
#include "soft/link/faulty.hpp"

#include <sys/epoll.h>

#include <cerrno>
#include <mutex>
#include <system_error>
#include <utility>

#include "base/counter.hpp"
#include "base/event_fd.hpp"
#include "base/file_descriptor.hpp"

namespace pktverbs::soft {
namespace {

/// Readable while a frame is held, or while another descriptor is.
class HeldSignal {
public:
    explicit HeldSignal(int other_fd) {
        check(event_.get());
        if (other_fd < 0) return;
        both_ = FileDescriptor{epoll_create1(EPOLL_CLOEXEC)};
        check(both_.get());
        for (const int fd : {event_.get(), other_fd}) {
            epoll_event event{};
            event.events = EPOLLIN;
            check(epoll_ctl(both_.get(), EPOLL_CTL_ADD, fd, &event));
        }
    }
    int fd() const noexcept { return both_.get() >= 0 ? both_.get() : event_.get(); }

    void set(bool held) noexcept {
        if (std::exchange(held_, held) == held) return;
        if (held)
            event_.set();
        else
            event_.clear();
    }

private:
    static void check(int result) {
        if (result < 0) throw std::system_error{errno, std::generic_category(), "cannot watch a faulty link"};
    }

    EventFd event_;
    FileDescriptor both_;
    bool held_ = false;
};

class FaultyLink final : public Link, private Sink {
public:
    FaultyLink(std::unique_ptr<Link> inner, const LinkFaults& faults)
        : inner_{std::move(inner)}, signal_{inner_->receive_fd()} {
        faults_.set(faults);
    }

    MacAddress mac() const noexcept override { return inner_->mac(); }
    std::uint32_t mtu() const noexcept override { return inner_->mtu(); }
    bool up() const noexcept override { return inner_->up(); }
    std::vector<Ipv6Address> addresses() const override { return inner_->addresses(); }
    std::optional<LinkPeer> peer() const override { return inner_->peer(); }
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
        show_held();
    }

    std::size_t send(std::span<const TxFrame> frames) noexcept override { return inner_->send(frames); }
    int send_fd() const noexcept override { return inner_->send_fd(); }
    int receive_fd() const noexcept override { return signal_.fd(); }
    void waited() noexcept override { inner_->waited(); }
    void watched(bool on) noexcept override { inner_->watched(on); }
    int news_fd() const noexcept override { return inner_->news_fd(); }
    void take_news() noexcept override { inner_->take_news(); }

    void receive(std::size_t most) noexcept override {
        const std::uint64_t before = arrived_.value();
        inner_->receive(most);
        const std::lock_guard lock{mutex_};
        if (arrived_.value() != before) return;
        held_.release([this](const RxFrame& frame) { pass_on(frame); });
        show_held();
    }

    int set_flows(std::span<const FlowMatch* const> flows) noexcept override { return inner_->set_flows(flows); }
    Link& innermost() noexcept override { return inner_->innermost(); }
    std::uint64_t lost() noexcept override { return inner_->lost() + lost_.value(); }
    std::uint64_t unsent() noexcept override { return inner_->unsent(); }

private:
    void deliver(std::span<const RxFrame> frames) noexcept override {
        const std::lock_guard lock{mutex_};
        arrived_.add(frames.size());
        for (const RxFrame& frame : frames)
            faults_.pass(frame, held_, [this](const RxFrame& arriving) { pass_on(arriving); });
        lost_.raise_to(faults_.counts().lost);
        show_held();
    }
    void link_changed(bool up) noexcept override { sink_->link_changed(up); }
    void mtu_changed() noexcept override { sink_->mtu_changed(); }
    void addresses_changed() noexcept override { sink_->addresses_changed(); }
    void removed() noexcept override { sink_->removed(); }

    void pass_on(const RxFrame& frame) noexcept { sink_->deliver({&frame, 1}); }
    void show_held() noexcept {
        signal_.set(!held_.empty());
        wants_receive_.store(!held_.empty() || inner_->wants_receive(), std::memory_order_relaxed);
    }

    std::unique_ptr<Link> inner_;
    HeldSignal signal_;
    Sink* sink_ = nullptr;

    std::mutex mutex_;  // of all below; links deliver from other ends' threads
    FrameFaults faults_{FrameFaults::WhileHeld::draw_alike};
    HeldFrame held_;
    Counter arrived_;
    Counter lost_;
};

}  // namespace

std::unique_ptr<Link> make_faulty(std::unique_ptr<Link> inner, const LinkFaults& faults) {
    return std::make_unique<FaultyLink>(std::move(inner), faults);
}

void make_faulty(LinkPort& port, const LinkFaults& faults) {
    if (any_of(faults)) port.open = [open = std::move(port.open), faults] { return make_faulty(open(), faults); };
}

}  // namespace pktverbs::soft
