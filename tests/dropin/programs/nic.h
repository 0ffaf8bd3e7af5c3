// SPDX-License-Identifier: Apache-2.0
// Steps common to raw-packet programs: a device by its name, a queue pair to "ready to send", a flow, a sender.
#pragma once

#include <infiniband/verbs.h>

#include "check.h"
#include "frame.h"

struct nic {
    struct ibv_context* context;
    struct ibv_pd* pd;
    uint8_t mac[6];  ///< from GID 0
};

struct nic open_nic(const char* device_name);
/// For a context that was opened in another way.
struct nic make_nic(struct ibv_context* context);
/// Ends the domain and closes the context.
void close_nic(struct nic* nic);

struct ibv_cq* make_cq(const struct nic* nic, int depth, struct ibv_comp_channel* channel);
/// Depths of 0 make a queue pair that only sends or only receives.
struct ibv_qp* make_raw_qp(const struct nic* nic, struct ibv_cq* cq, uint32_t send_depth, uint32_t recv_depth,
                           uint32_t recv_sges);
void to_ready(struct ibv_qp* qp);

/// A flow by destination MAC address, both IP addresses and the destination port.
struct udp_flow {
    struct ibv_flow_attr attr;
    struct ibv_flow_spec_eth eth;
    struct ibv_flow_spec_ipv4 ipv4;
    struct ibv_flow_spec_tcp_udp udp;
};
_Static_assert(sizeof(struct udp_flow) == sizeof(struct ibv_flow_attr) + sizeof(struct ibv_flow_spec_eth) +
                                              sizeof(struct ibv_flow_spec_ipv4) + sizeof(struct ibv_flow_spec_tcp_udp),
               "one after the other, without gaps");
struct udp_flow describe_flow(const struct udp_key* key);
struct ibv_flow* make_flow(struct ibv_qp* qp, const struct udp_key* key);

/// Sends one packet at a time, which has completed when `send_frame` returns.
struct sender {
    struct nic* nic;
    struct ibv_cq* cq;
    struct ibv_qp* qp;
    struct ibv_mr* mr;
    uint8_t frame[frame_max_bytes];
};
void open_sender(struct sender* sender, struct nic* nic);
void send_frame(struct sender* sender, const struct udp_key* key, uint32_t number, size_t payload_bytes);
void close_sender(struct sender* sender);

void post_recv(struct ibv_qp* qp, uint64_t wr_id, struct ibv_sge* sges, int sge_count);
/// The next completion, which must be a success.
struct ibv_wc next_completion(struct ibv_cq* cq);
/// Waits for some time; there must be none.
void expect_no_completion(struct ibv_cq* cq);
