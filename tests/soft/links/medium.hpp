// SPDX-License-Identifier: Apache-2.0
// Medium: what is between the two ends of a link.
#pragma once

#include <cstddef>
#include <memory>
#include <string>

#include <pktverbs/pktverbs.hpp>

namespace pktverbs::testing {

class LinkEnds;

class Medium {
public:
    virtual ~Medium() = default;
    /// Opens an end, 0 for the left one.
    virtual Context open(std::size_t end, const std::string& device, const Options& options);
    /// Takes the left end's link down, or up again.
    virtual void set_link(LinkEnds& ends, bool up) = 0;
};

/// The wire, which goes down by itself.
std::unique_ptr<Medium> make_wire_medium();
/// The peer: without one, the link is down.
std::unique_ptr<Medium> make_peer_medium();
/// A veth pair between two namespaces: left0 in one, right0 in the other.
std::unique_ptr<Medium> make_veth_medium();
/// A namespace with the tap interface tap0 at one end.
std::unique_ptr<Medium> make_tap_medium();
/// A namespace whose kernel forwards between its interfaces left0 and right0.
std::unique_ptr<Medium> make_bridge_medium();

/// Why links that need these can't be tested here; empty if they can.
const std::string& namespaces_unavailable();
const std::string& xdp_unavailable();
const std::string& host_unavailable();

}  // namespace pktverbs::testing
