// SPDX-License-Identifier: Apache-2.0
#include "medium.hpp"

#include <fstream>

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

}  // namespace

std::unique_ptr<Medium> make_wire_medium() { return std::make_unique<WireBetween>(); }
std::unique_ptr<Medium> make_peer_medium() { return std::make_unique<PeerBetween>(); }
std::unique_ptr<Medium> make_tap_medium() { return std::make_unique<TapBetween>(); }
std::unique_ptr<Medium> make_veth_medium() { return std::make_unique<VethBetween>(); }

}  // namespace pktverbs::testing
