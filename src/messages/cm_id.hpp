// SPDX-License-Identifier: Apache-2.0
// CmId: an owned identifier of the connection manager, and its events.
#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include <pktverbs/messages/connection_manager.hpp>

namespace pktverbs::messages {

struct CmIdDestroyer {
    const ConnectionManager* manager = nullptr;
    void operator()(rdma_cm_id* id) const noexcept { manager->destroy_id(id); }
};
/// Destroying it discards its pending events.
using CmId = std::unique_ptr<rdma_cm_id, CmIdDestroyer>;

/// A copy: the event itself is acknowledged already, because an id can't be destroyed before.
struct CmEvent {
    rdma_cm_event_type type{};
    int status = 0;
    rdma_cm_id* id = nullptr;
    std::span<const std::uint8_t> private_data;
};

/// Gets the events of an id, whose context points to it.
class CmIdOwner {
public:
    virtual void on_event(const CmEvent& event) = 0;

protected:
    ~CmIdOwner() = default;
};

}  // namespace pktverbs::messages
