// SPDX-License-Identifier: Apache-2.0
// The tap link: the kernel's own network stack is the peer, on an interface that is made for it.
#include <net/if.h>

#include <cerrno>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include <fmt/core.h>

#include "interface/interface.hpp"
#include "interface/interface_name.hpp"
#include "interface/network.hpp"
#include "soft/link/link_kind.hpp"
#include "soft/link/link_string.hpp"
#include "soft/link/open_failure.hpp"
#include "soft/link/tap/link.hpp"

namespace pktverbs::soft {
namespace {

struct TapSettings {
    std::string name;
    TapStation station;
    std::optional<std::uint32_t> mtu;
    std::optional<bool> persist;
    std::optional<bool> up;
};

constexpr std::uint32_t tap_default_mtu = 1500;  // of the kernel's
constexpr LinkKind::Key tap_keys[] = {
    {"persist", "1"}, {"up", "0"}, LinkString::mac_key, LinkString::mtu_key, LinkString::ip_key};

/// Unless it was asked for, a user of root's tap who may not change it waits until it is up.
void bring_up(TapDevice& device, bool asked_for) try { device.set_up(); } catch (const OpenFailure&) {
    if (asked_for || !device.existed()) throw;
}

std::unique_ptr<Link> open_tap(const TapSettings& settings) {
    TapDevice device{Network::current(), settings.name};
    const std::string& name = device.interface()->label();
    if (device.interface()->found().mac == settings.station.mac)
        throw OpenFailure{EINVAL, "open a tap as " + name,
                          fmt::format("{} is the address of the kernel's end: take another one for this end",
                                      settings.station.mac.to_string())};
    if (!device.existed()) device.lengthen_queue();
    if (settings.mtu) device.set_mtu(*settings.mtu);
    if (settings.up.value_or(true)) bring_up(device, settings.up.has_value());
    if (settings.persist) device.set_persistent(*settings.persist);
    auto interface = device.interface();
    return std::make_unique<TapLink>(std::move(device), std::move(interface), settings.station);
}

std::optional<std::uint32_t> read_tap_mtu(const LinkString& string) {
    const auto mtu = string.number(LinkString::mtu_key.name, "a tap's MTU", TapDevice::min_mtu, TapDevice::max_mtu, 0);
    return mtu == 0 ? std::nullopt : std::optional{static_cast<std::uint32_t>(mtu)};
}

LinkPort find_tap(const LinkString& string) {
    const std::string& name = string.name();
    if (!is_interface_name(name) || name.find('%') != std::string::npos)
        string.refuse("no interface can have that name");
    if (name.size() >= IFNAMSIZ) string.refuse(fmt::format("a tap's name has {} bytes at most", IFNAMSIZ - 1));
    TapSettings settings{.name = name,
                         .station = TapStation::read(string),
                         .mtu = read_tap_mtu(string),
                         .persist = string.flag("persist"),
                         .up = string.flag("up")};
    const auto existing = settings.mtu ? nullptr : Interface::find(name);
    LinkPort port;
    port.mac = [mac = settings.station.mac] { return mac; };
    port.addresses = [addresses = settings.station.addresses] { return addresses; };
    port.mtu = existing ? existing->found().mtu : settings.mtu.value_or(tap_default_mtu);
    port.waits_for_peer = true;
    port.open = [settings = std::move(settings)] { return open_tap(settings); };
    return port;
}

}  // namespace

extern const LinkKind tap_kind;
const LinkKind tap_kind{.prefix = "tap",
                        .name = "NAME",
                        .keys = tap_keys,
                        .purpose = "the kernel's network stack, on a tap interface; making one needs CAP_NET_ADMIN",
                        .find = find_tap};

}  // namespace pktverbs::soft
