// SPDX-License-Identifier: Apache-2.0
// ProtectionDomain: a group of objects that may work together.
#pragma once

#include <infiniband/verbs.h>

#include <memory>

#include <pktverbs/export.hpp>
#include <pktverbs/verbs/open_device.hpp>

namespace pktverbs::verbs {

/// Groups memory, queue pairs and address handles: only those of one domain work together.
///
/// A shared handle: copies are the same domain, which lives until the last copy and the last object in it have ended.
class PKTVERBS_EXPORT ProtectionDomain {
public:
    /// Allocates a domain. Throws std::system_error.
    explicit ProtectionDomain(OpenDevice device);

    /// Returns the device it belongs to.
    const OpenDevice& device() const noexcept { return device_; }
    ibv_pd* raw() const noexcept { return pd_.get(); }

private:
    OpenDevice device_;
    std::shared_ptr<ibv_pd> pd_;
};

}  // namespace pktverbs::verbs
