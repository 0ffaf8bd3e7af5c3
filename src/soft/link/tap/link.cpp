// SPDX-License-Identifier: Apache-2.0
#include "soft/link/tap/link.hpp"

#include <fcntl.h>

#include <algorithm>
#include <cerrno>
#include <system_error>
#include <utility>

#include "soft/link/random_mac.hpp"

namespace pktverbs::soft {

TapLink::TapLink(TapDevice device, std::shared_ptr<const Interface> interface, TapStation station)
    : device_{std::move(device)},
      send_fd_{::fcntl(device_.fd(), F_DUPFD_CLOEXEC, 0)},
      interface_{std::move(interface)},
      station_{std::move(station)},
      news_{interface_, InterfaceNews::Addresses::the_other_ends},
      frames_{device_.fd()} {
    if (!send_fd_) throw std::system_error{errno, std::generic_category(), "cannot open a tap once more"};
    if (station_.mac.is_zero()) station_.mac = random_mac();
}

void TapLink::attach(Sink& sink) {
    gate_.open(sink);
    wants_receive_.store(true, std::memory_order_relaxed);
}

void TapLink::detach() noexcept {
    wants_receive_.store(false, std::memory_order_relaxed);
    gate_.close();
    news_.settle();
}

void TapLink::receive(std::size_t most) noexcept {
    const bool look = look_wanted_.exchange(false, std::memory_order_relaxed);
    if (look || ++calls_ % calls_per_look == 0) [[unlikely]]
        take_news();
    {
        const SinkGate::Use use{gate_};
        if (use.sink()) frames_.receive(most, *use.sink());
    }
    // The kernel reports that its interface was removed, and nothing of a hidden one.
    if (frames_.found_gone()) [[unlikely]]
        news_.report_removed(gate_.sink());
}

/// Never less than before, also when the interface is gone, and its counters with it.
std::uint64_t TapLink::lost() noexcept {
    const std::uint64_t now = device_.lost();
    std::uint64_t before = lost_.load(std::memory_order_relaxed);
    while (before < now && !lost_.compare_exchange_weak(before, now, std::memory_order_relaxed)) {
    }
    return std::max(before, now) + frames_.damaged();
}

}  // namespace pktverbs::soft
