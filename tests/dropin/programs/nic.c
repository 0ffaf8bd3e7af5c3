// SPDX-License-Identifier: Apache-2.0
#include "nic.h"

#include <sched.h>

/* veth hands frames over on the sender's processor: those of a thread that moves may overtake each other. */
static void stay_on_this_processor(void) {
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET((size_t)sched_getcpu(), &one);
    CHECK_ZERO(sched_setaffinity(0, sizeof one, &one));
}

struct nic make_nic(struct ibv_context* context) {
    stay_on_this_processor();
    struct nic nic = {.context = context};
    CHECK(nic.pd = ibv_alloc_pd(context));
    union ibv_gid gid;
    CHECK_ZERO(ibv_query_gid(context, 1, 0, &gid));
    // fe80::/64 and the modified EUI-64 (RFC 4291, appendix A)
    memcpy(nic.mac, gid.raw + 8, 3);
    memcpy(nic.mac + 3, gid.raw + 13, 3);
    nic.mac[0] ^= 2;
    return nic;
}

struct nic open_nic(const char* device_name) {
    int count = 0;
    struct ibv_device** const list = ibv_get_device_list(&count);
    CHECK(list != NULL);
    struct ibv_context* context = NULL;
    for (int i = 0; i < count && !context; ++i)
        if (strcmp(ibv_get_device_name(list[i]), device_name) == 0) CHECK(context = ibv_open_device(list[i]));
    ibv_free_device_list(list);
    if (!context) {
        fprintf(stderr, "no device %s among %d\n", device_name, count);
        exit(1);
    }
    return make_nic(context);
}

void close_nic(struct nic* nic) {
    CHECK_ZERO(ibv_dealloc_pd(nic->pd));
    CHECK_ZERO(ibv_close_device(nic->context));
}

struct ibv_cq* make_cq(const struct nic* nic, int depth, struct ibv_comp_channel* channel) {
    struct ibv_cq* const cq = ibv_create_cq(nic->context, depth, NULL, channel, 0);
    CHECK(cq != NULL);
    CHECK(cq->cqe >= depth);
    return cq;
}

struct ibv_qp* make_raw_qp(const struct nic* nic, struct ibv_cq* cq, uint32_t send_depth, uint32_t recv_depth,
                           uint32_t recv_sges) {
    struct ibv_qp_init_attr attr = {.send_cq = cq,
                                    .recv_cq = cq,
                                    .cap = {.max_send_wr = send_depth,
                                            .max_recv_wr = recv_depth,
                                            .max_send_sge = send_depth ? 1 : 0,
                                            .max_recv_sge = recv_depth ? recv_sges : 0},
                                    .qp_type = IBV_QPT_RAW_PACKET};
    struct ibv_qp* const qp = ibv_create_qp(nic->pd, &attr);
    CHECK(qp != NULL);
    return qp;
}

void to_ready(struct ibv_qp* qp) {
    struct ibv_qp_attr attr = {.qp_state = IBV_QPS_INIT, .port_num = 1};
    CHECK_ZERO(ibv_modify_qp(qp, &attr, IBV_QP_STATE | IBV_QP_PORT));
    attr.qp_state = IBV_QPS_RTR;
    CHECK_ZERO(ibv_modify_qp(qp, &attr, IBV_QP_STATE));
    attr.qp_state = IBV_QPS_RTS;
    CHECK_ZERO(ibv_modify_qp(qp, &attr, IBV_QP_STATE));
}

struct udp_flow describe_flow(const struct udp_key* key) {
    struct udp_flow flow = {
        .attr = {.type = IBV_FLOW_ATTR_NORMAL, .size = sizeof flow, .num_of_specs = 3, .port = 1},
        .eth = {.type = IBV_FLOW_SPEC_ETH, .size = sizeof flow.eth},
        .ipv4 = {.type = IBV_FLOW_SPEC_IPV4,
                 .size = sizeof flow.ipv4,
                 .val = {.src_ip = key->src_ip, .dst_ip = key->dst_ip},
                 .mask = {.src_ip = UINT32_MAX, .dst_ip = UINT32_MAX}},
        .udp = {.type = IBV_FLOW_SPEC_UDP,
                .size = sizeof flow.udp,
                .val = {.dst_port = (uint16_t)(key->dst_port << 8 | key->dst_port >> 8)},
                .mask = {.dst_port = UINT16_MAX}},
    };
    memcpy(flow.eth.val.dst_mac, key->dst_mac, 6);
    memset(flow.eth.mask.dst_mac, 0xff, 6);
    return flow;
}

struct ibv_flow* make_flow(struct ibv_qp* qp, const struct udp_key* key) {
    struct udp_flow description = describe_flow(key);
    struct ibv_flow* const flow = ibv_create_flow(qp, &description.attr);
    CHECK(flow != NULL);
    return flow;
}

void open_sender(struct sender* sender, struct nic* nic) {
    sender->nic = nic;
    sender->cq = make_cq(nic, 1, NULL);
    sender->qp = make_raw_qp(nic, sender->cq, 1, 0, 0);
    CHECK(sender->mr = ibv_reg_mr(nic->pd, sender->frame, sizeof sender->frame, 0));
    to_ready(sender->qp);
}

void send_frame(struct sender* sender, const struct udp_key* key, uint32_t number, size_t payload_bytes) {
    struct ibv_sge sge = {.addr = (uintptr_t)sender->frame,
                          .length = (uint32_t)build_frame(sender->frame, key, number, payload_bytes),
                          .lkey = sender->mr->lkey};
    struct ibv_send_wr wr = {
        .wr_id = number, .sg_list = &sge, .num_sge = 1, .opcode = IBV_WR_SEND, .send_flags = IBV_SEND_SIGNALED};
    struct ibv_send_wr* bad = NULL;
    CHECK_ZERO(ibv_post_send(sender->qp, &wr, &bad));
    const struct ibv_wc wc = next_completion(sender->cq);
    CHECK_EQUAL(wc.wr_id, number);
    CHECK(wc.opcode == IBV_WC_SEND);
}

void close_sender(struct sender* sender) {
    CHECK_ZERO(ibv_destroy_qp(sender->qp));
    CHECK_ZERO(ibv_destroy_cq(sender->cq));
    CHECK_ZERO(ibv_dereg_mr(sender->mr));
}

void post_recv(struct ibv_qp* qp, uint64_t wr_id, struct ibv_sge* sges, int sge_count) {
    struct ibv_recv_wr wr = {.wr_id = wr_id, .sg_list = sges, .num_sge = sge_count};
    struct ibv_recv_wr* bad = NULL;
    CHECK_ZERO(ibv_post_recv(qp, &wr, &bad));
}

struct ibv_wc next_completion(struct ibv_cq* cq) {
    const double deadline = deadline_in_seconds(patience_seconds);
    struct ibv_wc wc;
    int polled;
    while ((polled = ibv_poll_cq(cq, 1, &wc)) == 0) {
        CHECK(!has_passed(deadline));
        sched_yield();
    }
    CHECK(polled == 1);
    if (wc.status != IBV_WC_SUCCESS) {
        fprintf(stderr, "completion %llu: %s\n", (unsigned long long)wc.wr_id, ibv_wc_status_str(wc.status));
        exit(1);
    }
    return wc;
}

void expect_no_completion(struct ibv_cq* cq) {
    struct ibv_wc wc;
    for (int i = 0; i < 100; ++i) {
        CHECK(ibv_poll_cq(cq, 1, &wc) == 0);
        sched_yield();
    }
}
