// SPDX-License-Identifier: Apache-2.0
// AsyncEvent: what happened to a device or an object without a completion to tell of it.
#pragma once

#include <infiniband/verbs.h>

#include <cstdint>
#include <string>

#include <pktverbs/export.hpp>

namespace pktverbs::verbs {

/// A copy: the event itself is acknowledged already. The object may be gone: compare its address, don't follow it.
struct AsyncEvent {
    enum class Subject : std::uint8_t { device, port, queue_pair, completion_queue, shared_receive_queue, work_queue };

    ibv_event_type type{};
    Subject subject = Subject::device;
    const void* object = nullptr;  ///< the ibv_qp, ibv_cq, ibv_srq or ibv_wq
    int port = 0;                  ///< of a port event

    PKTVERBS_EXPORT static AsyncEvent from(const ibv_async_event& event) noexcept;
    bool is_about(const void* raw) const noexcept { return object && object == raw; }
    /// Nothing works on the device or object any more.
    PKTVERBS_EXPORT bool is_fatal() const noexcept;
    /// "port 1: port active".
    PKTVERBS_EXPORT std::string to_string() const;
};

}  // namespace pktverbs::verbs
