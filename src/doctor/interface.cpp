// SPDX-License-Identifier: Apache-2.0
// Checks the network interface behind a device, and what the kernel does to frames there.
#include <fmt/core.h>

#include <string>

#include <pktverbs/verbs/provider.hpp>

#include "doctor/inspection.hpp"
#include "interface/ethtool.hpp"
#include "interface/interface.hpp"

namespace pktverbs::doctor {

namespace {

/// Frames that the kernel joined are longer than the port's MTU: they are dropped, and counted as oversize.
void look_at_joining(Inspection& inspection, const Ethtool& ethtool, const Interface& interface) {
    const auto joined = [&](const char* what, std::optional<bool> on) {
        if (!on) return;
        inspection.add(what, *on ? "on" : "off", *on ? Severity::warning : Severity::ok,
                       *on ? fmt::format("it joins TCP segments to frames that are too long to be received: ethtool -K "
                                         "{} {} off",
                                         interface.label(), what)
                           : "");
    };
    joined("gro", ethtool.generic_receive_offload());
    joined("lro", ethtool.large_receive_offload());

    // If this machine's own stack is the sender, nothing segments the frames that it leaves for a NIC to segment.
    const std::string driver = ethtool.driver();
    const bool to_itself = interface.found().is_loopback();
    if (!to_itself && driver != "veth" && driver != "bridge" && driver != "tun") return;
    const bool on =
        ethtool.tcp_segmentation_offload().value_or(false) || ethtool.generic_segmentation_offload().value_or(false);
    inspection.add("gso", to_itself ? (on ? "on" : "off") : fmt::format("senders share this machine ({})", driver),
                   to_itself && on ? Severity::warning : Severity::ok,
                   to_itself && !on
                       ? ""
                       : fmt::format("they may send segments uncut, too long to be received: at the sender, ethtool -K "
                                     "{} tso off gso off tx-udp-segmentation off",
                                     to_itself ? interface.label() : "INTERFACE"));
}

void look_at_ring(Inspection& inspection, const Ethtool& ethtool, const std::string& interface) {
    const auto ring = ethtool.receive_ring();
    if (!ring) return;
    const bool short_of = ring->now < ring->most;
    inspection.add("rx_ring", fmt::format("{} of {} entries", ring->now, ring->most), Severity::ok,
                   short_of ? fmt::format("if the NIC drops bursts: ethtool -G {} rx {}", interface, ring->most) : "");
}

}  // namespace

void look_at_interface(Inspection& inspection, const Device& device) {
    if (!device.netdev) return;
    const std::string& interface = device.netdev->label();
    const Ethtool ethtool{device.netdev};
    const std::string driver = ethtool.driver();
    inspection.add("interface", driver.empty() ? interface : fmt::format("{}, driver {}", interface, driver));
    if (const auto mbps = ethtool.speed())
        inspection.add("speed", fmt::format("{:g} Gb/s", static_cast<double>(*mbps) / 1000));
    // A NIC's own flows take frames before the kernel can change them.
    if (device.provider == &verbs::hardware_provider()) return;
    look_at_joining(inspection, ethtool, *device.netdev);
    look_at_ring(inspection, ethtool, interface);
}

}  // namespace pktverbs::doctor
