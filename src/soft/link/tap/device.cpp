// SPDX-License-Identifier: Apache-2.0
#include "soft/link/tap/device.hpp"

#include <fcntl.h>
#include <linux/if_tun.h>
#include <sys/ioctl.h>

#include <cerrno>
#include <cstring>
#include <system_error>
#include <utility>

#include <fmt/core.h>

#include "base/capability_hints.hpp"
#include "soft/link/open_failure.hpp"
#include "soft/link/vnet_header.hpp"

namespace pktverbs::soft {

namespace {

/// The descriptor belongs to the namespace of the thread that opens it (tun_chr_open() in drivers/net/tun.c).
int open_tun(const Network& network) {
    int fd = -1;
    int error = 0;
    try {
        network.run([&] {
            fd = ::open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
            error = errno;
        });
    } catch (const std::system_error& failure) {
        error = failure.code().value();
    }
    if (fd >= 0) return fd;
    throw OpenFailure{error, "open /dev/net/tun",
                      error == EPERM ? "the calling thread is in another network namespace, and may not enter that one"
                      : error == EACCES ? "give the user access to it"
                                        : "modprobe tun; a container must be given that device"};
}

}  // namespace

TapDevice::TapDevice(std::shared_ptr<const Network> network, const std::string& name)
    : network_{std::move(network)}, existed_{network_->find_link(name).has_value()}, fd_{open_tun(*network_)} {
    attach(name);
    find_interface();
    const auto statistics = interface_->statistics();
    lost_before_ = statistics ? statistics->tx_dropped : 0;
}

void TapDevice::attach(const std::string& name) {
    ifreq request{};
    name.copy(request.ifr_name, sizeof request.ifr_name - 1);
    request.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR;
    if (::ioctl(fd_.get(), TUNSETIFF, &request) != 0) fail_to_attach(errno, name);
    // Another program may have left both otherwise.
    int header_bytes = sizeof(VnetHeader);
    if (::ioctl(fd_.get(), TUNSETVNETHDRSZ, &header_bytes) != 0 || ::ioctl(fd_.get(), TUNSETOFFLOAD, TUN_F_CSUM) != 0)
        fail_to_attach(errno, name);
}

void TapDevice::fail_to_attach(int error, const std::string& name) const {
    const auto hint = [&]() -> std::string {
        switch (error) {
            case EPERM:
                if (existed_) return fmt::format("{} is another user's, and {}", name, net_admin_hint);
                return fmt::format("{}; or let root make it once for you: ip tuntap add dev {} mode tap user NAME",
                                   net_admin_hint, name);
            case EBUSY:
                return fmt::format("another program has {} open: end that, or take another name", name);
            case EINVAL:
                if (existed_)
                    return fmt::format(
                        "{} exists and is no tap, or one of several queues: take another name, or remove it with ip "
                        "link delete {}",
                        name, name);
                [[fallthrough]];
            default:
                return "the kernel made no tap of that name";
        }
    };
    throw OpenFailure{error, "open a tap as " + name, hint()};
}

/// The descriptor knows its interface by name only, and that may change at any time.
void TapDevice::find_interface() {
    constexpr int max_tries = 8;
    const auto read_name = [&](ifreq& answer) {
        answer = {};
        return ::ioctl(fd_.get(), TUNGETIFF, &answer) == 0;
    };
    for (int tries = 0; tries < max_tries; ++tries) {
        ifreq before, after;
        if (!read_name(before)) break;
        const auto state = network_->find_link(before.ifr_name);
        if (!read_name(after)) break;
        if (!state || std::strncmp(before.ifr_name, after.ifr_name, sizeof before.ifr_name) != 0) continue;
        interface_ = std::make_shared<const Interface>(network_, *state);
        return;
    }
    throw OpenFailure{ENODEV, "find the tap's interface", "it was removed or renamed while it was opened"};
}

void TapDevice::change(unsigned long request, std::string_view what, const std::function<void(ifreq&)>& fill) {
    ifreq wanted{};
    if (::ioctl(fd_.get(), TUNGETIFF, &wanted) == 0) {
        fill(wanted);
        if (::ioctl(network_->control_fd(), request, &wanted) == 0) return;
    }
    const int error = errno;
    throw OpenFailure{error, fmt::format("{} of {}", what, interface_->label()),
                      error == EPERM ? std::string{net_admin_hint} : "see ip -d link show dev " + interface_->label()};
}

void TapDevice::set_mtu(std::uint32_t mtu) {
    if (interface_->found().mtu == mtu) return;
    change(SIOCSIFMTU, "set the MTU", [&](ifreq& request) { request.ifr_mtu = static_cast<int>(mtu); });
}

void TapDevice::lengthen_queue() noexcept {
    ifreq wanted{};
    if (::ioctl(fd_.get(), TUNGETIFF, &wanted) != 0) return;
    wanted.ifr_qlen = queue_frames;
    ::ioctl(network_->control_fd(), SIOCSIFTXQLEN, &wanted);
}

void TapDevice::set_up() {
    ifreq flags{};
    if (interface_->ask(SIOCGIFFLAGS, flags) == 0 && (flags.ifr_flags & IFF_UP) != 0) return;
    change(SIOCSIFFLAGS, "change the state",
           [&](ifreq& request) { request.ifr_flags = static_cast<short>(flags.ifr_flags | IFF_UP); });
}

void TapDevice::set_persistent(bool persistent) {
    if (::ioctl(fd_.get(), TUNSETPERSIST, persistent ? 1L : 0L) == 0) return;
    throw OpenFailure{errno, "change the persistence of " + interface_->label(), "see ip tuntap"};
}

std::uint64_t TapDevice::lost() const noexcept {
    const auto statistics = interface_->statistics();
    return statistics && statistics->tx_dropped > lost_before_ ? statistics->tx_dropped - lost_before_ : 0;
}

}  // namespace pktverbs::soft
