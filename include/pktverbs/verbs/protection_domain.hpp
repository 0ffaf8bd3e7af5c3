// SPDX-License-Identifier: Apache-2.0
// ProtectionDomain: what memory, queue pairs and address handles must share to work together.
#pragma once

#include <infiniband/verbs.h>

#include <memory>

#include <pktverbs/export.hpp>
#include <pktverbs/verbs/open_device.hpp>

namespace pktverbs::verbs {

/// A shared handle: copies are the same domain, which lives until the last copy and the last object in it have gone.
class PKTVERBS_EXPORT ProtectionDomain {
public:
    /// Throws std::system_error.
    explicit ProtectionDomain(OpenDevice device);

    const OpenDevice& device() const noexcept { return device_; }
    ibv_pd* raw() const noexcept { return pd_.get(); }

private:
    OpenDevice device_;
    std::shared_ptr<ibv_pd> pd_;
};

}  // namespace pktverbs::verbs
