// SPDX-License-Identifier: Apache-2.0
// xdp in a build without libxdp and libbpf.
#include <cerrno>

#include "soft/link/open_failure.hpp"
#include "soft/link/xdp/settings.hpp"

namespace pktverbs::soft::xdp {

std::unique_ptr<Link> open_link(std::shared_ptr<const Interface> interface, const Settings&) {
    throw OpenFailure{EOPNOTSUPP, "open xdp:" + interface->label(),
                      "this build of pktverbs has no AF_XDP: install libxdp-dev and libbpf-dev, configure with "
                      "-DPKTVERBS_XDP=ON and build it again; packet:" +
                          interface->label() + " needs neither"};
}

}  // namespace pktverbs::soft::xdp
