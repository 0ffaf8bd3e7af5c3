// SPDX-License-Identifier: Apache-2.0
#include "medium.hpp"

#include <cerrno>
#include <chrono>
#include <fstream>
#include <stdexcept>
#include <string>
#include <system_error>

#include <pktverbs/soft/wire.hpp>

#include "../../netns/network_namespace.hpp"
#include "link_ends.hpp"

namespace pktverbs::testing {

Context Medium::open(std::size_t, const std::string& device, const Options& options) {
    return Context{device, options};
}

namespace {

class WireBetween final : public Medium {
    void set_link(LinkEnds& ends, bool up) override {
        const std::string& device = ends.device(0);
        soft::Wire{device.substr(device.find(':') + 1)}.set_link(up);
    }
};

class PeerBetween final : public Medium {
    void set_link(LinkEnds& ends, bool up) override { up ? ends.open(1) : ends.close(1); }
};

class VethBetween final : public Medium {
    Context open(std::size_t end, const std::string& device, const Options& options) override {
        return (end == 0 ? veth_.left : veth_.right).run([&] { return Context{device, options}; });
    }
    void set_link(LinkEnds&, bool up) override {
        veth_.right.set_up(up);
        veth_.left.wait_for_carrier(up);
    }

    test::VethPair veth_{{.mtu = 9000}};
};

class TapBetween final : public Medium {
public:
    /// Without IPv6, the kernel sends no frames of its own.
    TapBetween() {
        kernel_.run([] { std::ofstream{"/proc/sys/net/ipv6/conf/default/disable_ipv6"} << 1; });
        kernel_.ip_batch("tuntap add dev tap0 mode tap\nlink set tap0 txqueuelen 1000");
    }

private:
    Context open(std::size_t, const std::string& device, const Options& options) override {
        return kernel_.run([&] { return Context{device, options}; });
    }
    void set_link(LinkEnds&, bool up) override { kernel_.ip({"link", "set", "tap0", up ? "up" : "down"}); }

    test::NetworkNamespace kernel_;
};

class BridgeBetween final : public Medium {
public:
    /// The bridge passes on every frame to the other port, whatever it has seen before, and wherever a firewall for
    /// bridges would drop it; each port's cable ends nowhere. Without IPv6, the kernel sends no frames of its own.
    BridgeBetween() {
        kernel_.run([] {
            std::ofstream{"/proc/sys/net/ipv6/conf/default/disable_ipv6"} << 1;
            for (const char* family : {"arp", "ip", "ip6"})
                std::ofstream{"/proc/sys/net/bridge/bridge-nf-call-" + std::string{family} + "tables"} << 0;
        });
        std::string lines = "link add bridge0 mtu 9000 up type bridge mcast_snooping 0\n";
        for (const std::string port : {"left0", "right0"}) {
            const std::string nowhere = "nowhere_" + port;
            lines += "link add " + port + " mtu 9000 type veth peer name " + nowhere + " mtu 9000\n";
            lines += "link set " + port + " master bridge0\n";
            lines += "link set " + port + " type bridge_slave learning off\n";
            lines += "link set " + nowhere + " up\nlink set " + port + " up\n";
        }
        kernel_.ip_batch(lines);
        for (const std::string port : {"left0", "right0"}) wait_until_it_forwards(port);
    }

private:
    Context open(std::size_t, const std::string& device, const Options& options) override {
        return kernel_.run([&] { return Context{device, options}; });
    }
    void set_link(LinkEnds&, bool up) override {
        kernel_.ip({"link", "set", "left0", up ? "up" : "down"});
        if (up) wait_until_it_forwards("left0");
    }
    /// Takes a while: the bridge follows the port's carrier.
    void wait_until_it_forwards(const std::string& port) {
        const auto give_up = std::chrono::steady_clock::now() + patience;
        while (kernel_.ip({"-details", "link", "show", port}).find("state forwarding") == std::string::npos)
            if (std::chrono::steady_clock::now() > give_up) throw std::runtime_error{port + " never forwards"};
    }

    test::NetworkNamespace kernel_;
};

/// What a capability that is missing makes of it; empty if the device can be opened, or has another fault.
std::string why_refused(const test::NetworkNamespace& in, const char* device) {
    try {
        in.run([&] { return Context{device, link_options}; });
    } catch (const std::system_error& error) {
        if (error.code().value() == EPERM) return error.what();
    }
    return {};
}

std::string why_no_xdp() {
    if (!namespaces_unavailable().empty()) return namespaces_unavailable();
    const test::VethPair veth;
    const std::string refused = why_refused(veth.left.name_space, "xdp:left0");
    return refused.empty() ? refused : "needs AF_XDP: " + refused;
}

std::string why_no_host() {
    if (!namespaces_unavailable().empty()) return namespaces_unavailable();
    const test::NetworkNamespace probe;
    const std::string refused = why_refused(probe, "host:lo");
    if (!refused.empty()) return "needs BPF programs: " + refused;
    try {
        probe.ip({"link", "add", "bridge0", "type", "bridge"});
    } catch (const std::runtime_error& error) {
        return std::string{"needs the kernel's bridge: "} + error.what();
    }
    return {};
}

}  // namespace

const std::string& namespaces_unavailable() { return test::NetworkNamespace::unavailable(); }
const std::string& xdp_unavailable() {
    static const std::string reason = why_no_xdp();
    return reason;
}
const std::string& host_unavailable() {
    static const std::string reason = why_no_host();
    return reason;
}

std::unique_ptr<Medium> make_wire_medium() { return std::make_unique<WireBetween>(); }
std::unique_ptr<Medium> make_peer_medium() { return std::make_unique<PeerBetween>(); }
std::unique_ptr<Medium> make_tap_medium() { return std::make_unique<TapBetween>(); }
std::unique_ptr<Medium> make_bridge_medium() { return std::make_unique<BridgeBetween>(); }
std::unique_ptr<Medium> make_veth_medium() { return std::make_unique<VethBetween>(); }

}  // namespace pktverbs::testing
