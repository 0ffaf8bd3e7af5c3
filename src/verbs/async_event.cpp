// SPDX-License-Identifier: Apache-2.0
#include <pktverbs/verbs/async_event.hpp>

#include <fmt/core.h>

namespace pktverbs::verbs {

AsyncEvent AsyncEvent::from(const ibv_async_event& event) noexcept {
    const auto about = [&](Subject what, const void* which) { return AsyncEvent{event.event_type, what, which, 0}; };
    switch (event.event_type) {
        case IBV_EVENT_QP_FATAL:
        case IBV_EVENT_QP_REQ_ERR:
        case IBV_EVENT_QP_ACCESS_ERR:
        case IBV_EVENT_COMM_EST:
        case IBV_EVENT_SQ_DRAINED:
        case IBV_EVENT_PATH_MIG:
        case IBV_EVENT_PATH_MIG_ERR:
        case IBV_EVENT_QP_LAST_WQE_REACHED:
            return about(Subject::queue_pair, event.element.qp);
        case IBV_EVENT_CQ_ERR:
            return about(Subject::completion_queue, event.element.cq);
        case IBV_EVENT_SRQ_ERR:
        case IBV_EVENT_SRQ_LIMIT_REACHED:
            return about(Subject::shared_receive_queue, event.element.srq);
        case IBV_EVENT_WQ_FATAL:
            return about(Subject::work_queue, event.element.wq);
        case IBV_EVENT_PORT_ACTIVE:
        case IBV_EVENT_PORT_ERR:
        case IBV_EVENT_LID_CHANGE:
        case IBV_EVENT_PKEY_CHANGE:
        case IBV_EVENT_SM_CHANGE:
        case IBV_EVENT_CLIENT_REREGISTER:
        case IBV_EVENT_GID_CHANGE:
            return {event.event_type, Subject::port, nullptr, event.element.port_num};
        case IBV_EVENT_DEVICE_FATAL:
            break;
    }
    return about(Subject::device, nullptr);
}

bool AsyncEvent::is_fatal() const noexcept {
    return type == IBV_EVENT_DEVICE_FATAL || type == IBV_EVENT_QP_FATAL || type == IBV_EVENT_QP_REQ_ERR ||
           type == IBV_EVENT_QP_ACCESS_ERR || type == IBV_EVENT_CQ_ERR || type == IBV_EVENT_SRQ_ERR ||
           type == IBV_EVENT_WQ_FATAL;
}

std::string AsyncEvent::to_string() const {
    const char* const what = ibv_event_type_str(type);
    switch (subject) {
        case Subject::port:
            return fmt::format("port {}: {}", port, what);
        case Subject::queue_pair:
            return fmt::format("queue pair: {}", what);
        case Subject::completion_queue:
            return fmt::format("completion queue: {}", what);
        case Subject::shared_receive_queue:
            return fmt::format("shared receive queue: {}", what);
        case Subject::work_queue:
            return fmt::format("work queue: {}", what);
        case Subject::device:
            break;
    }
    return fmt::format("device: {}", what);
}

}  // namespace pktverbs::verbs
