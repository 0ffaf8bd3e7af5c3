// SPDX-License-Identifier: Apache-2.0
// ConnectionManager: the RDMA connection manager as a table, so that a test can replace it.
#pragma once

#include <infiniband/verbs.h>
#include <rdma/rdma_cma.h>

#include <cstddef>
#include <cstdint>

#include <pktverbs/export.hpp>
#include <pktverbs/verbs/provider.hpp>

namespace pktverbs::messages {

/// Holds the functions of the RDMA connection manager, so that a test can replace them.
///
/// Every slot has the name, signature, error convention and man page of the librdmacm function rdma_NAME.
struct ConnectionManager {
    rdma_event_channel* (*create_event_channel)();
    void (*destroy_event_channel)(rdma_event_channel*);
    int (*create_id)(rdma_event_channel*, rdma_cm_id**, void* context, rdma_port_space);
    int (*destroy_id)(rdma_cm_id*);
    int (*bind_addr)(rdma_cm_id*, sockaddr*);
    int (*resolve_addr)(rdma_cm_id*, sockaddr* source, sockaddr* destination, int timeout_ms);
    int (*resolve_route)(rdma_cm_id*, int timeout_ms);
    int (*listen)(rdma_cm_id*, int backlog);
    int (*connect)(rdma_cm_id*, rdma_conn_param*);
    int (*establish)(rdma_cm_id*);
    int (*accept)(rdma_cm_id*, rdma_conn_param*);
    int (*reject)(rdma_cm_id*, const void* private_data, std::uint8_t private_data_len);
    int (*disconnect)(rdma_cm_id*);
    int (*notify)(rdma_cm_id*, ibv_event_type);
    int (*init_qp_attr)(rdma_cm_id*, ibv_qp_attr*, int* mask);
    int (*get_cm_event)(rdma_event_channel*, rdma_cm_event**);
    int (*ack_cm_event)(rdma_cm_event*);
    const verbs::Provider* provider;  ///< control verbs of the devices that come with its ids
};

/// Returns librdmacm's own functions, with libibverbs'.
PKTVERBS_EXPORT const ConnectionManager& system_connection_manager() noexcept;

}  // namespace pktverbs::messages
