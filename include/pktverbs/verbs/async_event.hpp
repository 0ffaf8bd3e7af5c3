// SPDX-License-Identifier: Apache-2.0
// AsyncEvent: an event of a device, a port or an object that no completion reports.
#pragma once

#include <infiniband/verbs.h>

#include <cstdint>
#include <string>

#include <pktverbs/export.hpp>

namespace pktverbs::verbs {

/// Reports an event of a device or an object, such as a port that went down or a queue pair that failed.
///
/// A copy; the event itself is already acknowledged. The object may be gone: compare its address, don't follow it.
struct AsyncEvent {
    /// What the event is about.
    enum class Subject : std::uint8_t { device, port, queue_pair, completion_queue, shared_receive_queue, work_queue };

    ibv_event_type type{};              ///< what happened
    Subject subject = Subject::device;  ///< what it happened to
    const void* object = nullptr;       ///< the ibv_qp, ibv_cq, ibv_srq or ibv_wq; null if it is none of them
    int port = 0;                       ///< the number of the port, for a port event

    /// Copies a verbs event, which the caller still has to acknowledge.
    PKTVERBS_EXPORT static AsyncEvent from(const ibv_async_event& event) noexcept;
    /// Whether it is about this verbs object.
    bool is_about(const void* raw) const noexcept { return object && object == raw; }
    /// Whether the device or object has stopped working for good.
    PKTVERBS_EXPORT bool is_fatal() const noexcept;
    /// Returns "port 1: port active".
    PKTVERBS_EXPORT std::string to_string() const;
};

}  // namespace pktverbs::verbs
