// SPDX-License-Identifier: Apache-2.0
#include "soft/link/interface_news.hpp"

#include <net/if_arp.h>

#include <cerrno>
#include <new>
#include <string>
#include <system_error>
#include <utility>

namespace pktverbs::soft {
namespace {

[[noreturn]] void refuse_interface(int error, const char* what, const Interface& interface) {
    throw std::system_error{error, std::generic_category(), std::string{"cannot "} + what + " " + interface.label()};
}

LinkState read_state(const Interface& interface) {
    const auto state = interface.state();
    if (!state) refuse_interface(ENODEV, "find", interface);
    if (state->type != ARPHRD_ETHER && state->type != ARPHRD_LOOPBACK)
        refuse_interface(EOPNOTSUPP, "send and receive Ethernet frames (it is of another kind) on", interface);
    return *state;
}

}  // namespace

// It is watched before it is read, so that no change is missed.
InterfaceNews::InterfaceNews(std::shared_ptr<const Interface> interface, Addresses addresses)
    : interface_{std::move(interface)},
      addresses_are_ours_{addresses == Addresses::ours},
      watch_{interface_},
      state_{read_state(*interface_)} {
    if (addresses_are_ours_) addresses_ = interface_->addresses();
    mac_.store(state_.mac);
    mtu_ = state_.mtu;
    up_ = state_.is_up();
}

void InterfaceNews::take(const std::atomic<Sink*>& to) noexcept {
    constexpr int max_news = 1024;  // the rest makes fd() readable again
    const std::lock_guard lock{mutex_};
    // settle() waits for the lock after the sink has been taken away.
    Sink* const sink = to.load();
    if (!sink) return;
    bool addresses_changed = false;
    for (int i = 0; i < max_news; ++i) {
        const InterfaceWatch::News news = watch_.next(state_);
        if (!news.any) break;
        if (removed()) continue;
        addresses_changed |= news.addresses;
        if (news.state) report_state(*sink);
        if (news.gone) remove(*sink);
    }
    if (addresses_changed && addresses_are_ours_ && !removed()) report_addresses(*sink);
}

void InterfaceNews::report_removed(const std::atomic<Sink*>& to) noexcept {
    const std::lock_guard lock{mutex_};
    Sink* const sink = to.load();
    if (sink && !removed()) remove(*sink);
}

void InterfaceNews::remove(Sink& sink) noexcept {
    removed_ = true;
    if (up_.exchange(false)) sink.link_changed(false);
    sink.removed();
}

void InterfaceNews::report_state(Sink& sink) noexcept {
    if (mtu_.exchange(state_.mtu) != state_.mtu) sink.mtu_changed();
    if (addresses_are_ours_ && mac_.load() != state_.mac) {
        mac_.store(state_.mac);
        sink.addresses_changed();
    }
    if (up_.exchange(state_.is_up()) != state_.is_up()) sink.link_changed(state_.is_up());
}

/// The kernel reports an address also when only its lifetime changed.
void InterfaceNews::report_addresses(Sink& sink) noexcept try {
    std::vector<Ipv6Address> now = interface_->addresses();
    if (now == addresses_) return;
    addresses_ = std::move(now);
    sink.addresses_changed();
} catch (const std::bad_alloc&) {
    sink.addresses_changed();  // they may be others
}

}  // namespace pktverbs::soft
