// SPDX-License-Identifier: Apache-2.0
// SoftDevice: what the soft provider opens.
#pragma once

#include <infiniband/verbs.h>

#include <functional>
#include <memory>

#include "soft/link.hpp"

namespace pktverbs::soft {

struct SoftDevice : ibv_device {
    SoftDevice() : ibv_device{} {}
    /// Throws std::system_error.
    std::function<std::unique_ptr<Link>()> open_link;
};

}  // namespace pktverbs::soft
