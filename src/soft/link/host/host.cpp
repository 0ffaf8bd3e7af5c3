// SPDX-License-Identifier: Apache-2.0
// The host link: what the kernel sends out of an interface, and what it receives there.
//
// A hidden tap is the way between this program and the interface: a BPF program on the interface's egress sends frames,
// or copies, out of the tap, where they are read, and one on the tap's ingress makes the interface receive what is
// written there. Packet sockets see frames that the kernel sends, but can neither take them nor make the kernel receive
// one; BPF_PROG_RUN with live frames can, but none longer than a page.
#include <cerrno>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>

#include <fmt/core.h>

#include "base/capability_hints.hpp"
#include "interface/interface.hpp"
#include "interface/interface_name.hpp"
#include "soft/link/host/attachment.hpp"
#include "soft/link/link_kind.hpp"
#include "soft/link/link_string.hpp"
#include "soft/link/open_failure.hpp"
#include "soft/link/tap/link.hpp"
#include "verbs/device_string.hpp"

namespace pktverbs::soft {
namespace {

constexpr LinkKind::Key host_keys[] = {{"take", "1"}, LinkString::mac_key, LinkString::ip_key};

/// Up, and without a word of its own: the kernel has no IPv6 on an interface of so small an MTU (IPV6_MIN_MTU), which
/// limits neither redirected frames nor written ones.
TapDevice make_hidden_tap(const Interface& interface, bool take) try {
    // One can take; its tap's name is the lock.
    TapDevice tap{interface.network(), take ? fmt::format("pvtake{}", interface.index()) : "pvcopy%d"};
    tap.set_mtu(TapDevice::min_mtu);
    tap.lengthen_queue();
    tap.set_up();
    return tap;
} catch (const OpenFailure& failure) {
    const int error = failure.code().value();
    if (error == EPERM)
        throw OpenFailure{error, "make a hidden tap for " + interface.label(), std::string{net_admin_and_bpf_hint}};
    if (error == EBUSY)
        throw OpenFailure{error, "take what the kernel sends out of " + interface.label(),
                          "another program does, and only one can: without take=1 there are copies for any number"};
    throw;
}

class HostLink final : public TapLink {
public:
    HostLink(const std::shared_ptr<const Interface>& on, bool take, const TapStation& station)
        : TapLink{make_hidden_tap(*on, take), on, station},
          into_{device().interface(), host::Attachment::Hook::ingress, host::Redirect::receive, on->index()} {
        out_of_.emplace(on, host::Attachment::Hook::egress, take ? host::Redirect::take : host::Redirect::copy,
                        device().interface()->index());
    }

    /// The kernel drops, uncounted here, what an interface that is down would receive.
    std::size_t send(std::span<const TxFrame> frames) noexcept override {
        if (up()) [[likely]]
            return TapLink::send(frames);
        lose(frames.size());
        return frames.size();
    }

    /// An interface that is moved to another network namespace keeps its programs, and the tap is not there.
    void take_news() noexcept override {
        TapLink::take_news();
        if (!removed()) [[likely]]
            return;
        const std::lock_guard lock{mutex_};
        out_of_.reset();
    }

private:
    host::Attachment into_;
    std::mutex mutex_;
    std::optional<host::Attachment> out_of_;
};

LinkPort find_host(const LinkString& string) {
    if (!is_interface_name(string.name())) string.refuse("no interface can have that name");
    const auto station = TapStation::read(string);
    const bool take = string.flag("take").value_or(false);
    const auto interface = Interface::find(string.name());
    if (!interface) verbs::no_device_for(string.text(), fmt::format("no such interface: {}", string.name()));
    LinkPort port;
    port.open = [interface, take, station] { return std::make_unique<HostLink>(interface, take, station); };
    port.mac = [mac = station.mac] { return mac; };
    port.addresses = [addresses = station.addresses] { return addresses; };
    port.mtu = interface->found().mtu;
    return port;
}

}  // namespace

extern const LinkKind host_kind;
const LinkKind host_kind{
    .prefix = "host",
    .name = "INTERFACE",
    .keys = host_keys,
    .purpose = "the kernel's side of an interface: what it sends, what it receives; needs CAP_NET_ADMIN, CAP_BPF",
    .find = find_host};

}  // namespace pktverbs::soft
