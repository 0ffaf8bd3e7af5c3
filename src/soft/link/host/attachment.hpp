// SPDX-License-Identifier: Apache-2.0
// Attachment: a Redirect on an interface, until it ends.
#pragma once

#include <cstdint>
#include <memory>

#include "base/file_descriptor.hpp"
#include "interface/interface.hpp"
#include "soft/link/host/redirect.hpp"

namespace pktverbs::soft::host {

/// From Linux 6.6 on by a link (TCX), which ends when its descriptor is closed: nothing stays when the program is
/// killed. Before, by a filter of the clsact qdisc, which stays then, and lets frames pass. The qdisc always stays:
/// others may use it.
class Attachment {
public:
    /// Where frames are redirected from: those that the kernel sends, or those that the interface receives.
    enum class Hook { egress, ingress };

    /// Copies come before what takes. Throws OpenFailure.
    Attachment(std::shared_ptr<const Interface> interface, Hook hook, Redirect redirect, int target);
    Attachment(const Attachment&) = delete;
    Attachment& operator=(const Attachment&) = delete;
    ~Attachment();

private:
    bool attach_link(Hook hook, Redirect redirect, int target);
    void attach_filter(Hook hook, Redirect redirect, int target);

    std::shared_ptr<const Interface> interface_;
    FileDescriptor link_;
    FileDescriptor netlink_;  ///< to remove the filter
    std::uint32_t parent_ = 0;
    std::uint32_t priority_ = 0;
    std::uint32_t handle_ = 0;
};

}  // namespace pktverbs::soft::host
