// SPDX-License-Identifier: Apache-2.0
// SoftDevice: what the soft provider opens.
#pragma once

#include <infiniband/verbs.h>

#include <functional>
#include <memory>

#include <pktverbs/verbs/device.hpp>

#include "soft/link/link.hpp"

namespace pktverbs::soft {

struct SoftDevice : ibv_device {
    SoftDevice() : ibv_device{} {}
    /// Throws std::system_error.
    std::function<std::unique_ptr<Link>()> open_link;
};

/// See packet_device() in <pktverbs/soft/device.hpp>.
verbs::Device packet_device(std::shared_ptr<const Interface> interface);

}  // namespace pktverbs::soft
