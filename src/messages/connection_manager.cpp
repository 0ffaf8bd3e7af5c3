// SPDX-License-Identifier: Apache-2.0
#include <pktverbs/messages/connection_manager.hpp>

namespace pktverbs::messages {

const ConnectionManager& system_connection_manager() noexcept {
    static const ConnectionManager table{
        .create_event_channel = rdma_create_event_channel,
        .destroy_event_channel = rdma_destroy_event_channel,
        .create_id = rdma_create_id,
        .destroy_id = rdma_destroy_id,
        .bind_addr = rdma_bind_addr,
        .resolve_addr = rdma_resolve_addr,
        .resolve_route = rdma_resolve_route,
        .listen = rdma_listen,
        .connect = rdma_connect,
        .establish = rdma_establish,
        .accept = rdma_accept,
        .reject = rdma_reject,
        .disconnect = rdma_disconnect,
        .notify = rdma_notify,
        .init_qp_attr = rdma_init_qp_attr,
        .get_cm_event = rdma_get_cm_event,
        .ack_cm_event = rdma_ack_cm_event,
        .provider = &verbs::hardware_provider(),
    };
    return table;
}

}  // namespace pktverbs::messages
