// SPDX-License-Identifier: Apache-2.0
// load_by_name RECEIVER SENDER [FOLDER]: not linked with libibverbs or librdmacm, but loads both and looks up each
// function by name, like spead2, which so starts where they are not installed. With a folder, loads them by absolute
// path from it, like Julia. Finds devices by IP address.
#include <arpa/inet.h>
#include <dlfcn.h>
#include <infiniband/verbs.h>
#include <rdma/rdma_cma.h>
#include <sched.h>

#include "check.h"
#include "frame.h"

// In the header these are macros around other functions.
#undef ibv_query_port
#undef ibv_reg_mr

static struct {
    struct rdma_event_channel* (*create_event_channel)(void);
    void (*destroy_event_channel)(struct rdma_event_channel*);
    int (*create_id)(struct rdma_event_channel*, struct rdma_cm_id**, void*, enum rdma_port_space);
    int (*bind_addr)(struct rdma_cm_id*, struct sockaddr*);
    int (*destroy_id)(struct rdma_cm_id*);
} cm;

static struct {
    struct ibv_pd* (*alloc_pd)(struct ibv_context*);
    int (*dealloc_pd)(struct ibv_pd*);
    struct ibv_mr* (*reg_mr)(struct ibv_pd*, void*, size_t, int);
    int (*dereg_mr)(struct ibv_mr*);
    struct ibv_comp_channel* (*create_comp_channel)(struct ibv_context*);
    int (*destroy_comp_channel)(struct ibv_comp_channel*);
    int (*get_cq_event)(struct ibv_comp_channel*, struct ibv_cq**, void**);
    void (*ack_cq_events)(struct ibv_cq*, unsigned);
    struct ibv_cq* (*create_cq)(struct ibv_context*, int, void*, struct ibv_comp_channel*, int);
    int (*destroy_cq)(struct ibv_cq*);
    struct ibv_qp* (*create_qp)(struct ibv_pd*, struct ibv_qp_init_attr*);
    int (*modify_qp)(struct ibv_qp*, struct ibv_qp_attr*, int);
    int (*destroy_qp)(struct ibv_qp*);
    int (*query_device)(struct ibv_context*, struct ibv_device_attr*);
    int (*query_gid)(struct ibv_context*, uint8_t, int, union ibv_gid*);
} verbs;

static void* find(void* library, const char* name) {
    void* const symbol = dlsym(library, name);
    if (symbol) return symbol;
    fprintf(stderr, "%s\n", dlerror());
    exit(1);
}

static void* open_library(const char* folder, const char* name) {
    char path[4096];
    const int length = snprintf(path, sizeof path, "%s%s%s", folder, *folder ? "/" : "", name);
    CHECK(length > 0 && (size_t)length < sizeof path);
    return dlopen(path, RTLD_NOW | RTLD_LOCAL);
}

static void load(const char* folder) {
    void* const libibverbs = open_library(folder, "libibverbs.so.1");
    void* const librdmacm = open_library(folder, "librdmacm.so.1");
    if (!libibverbs || !librdmacm) {
        fprintf(stderr, "%s\n", dlerror());
        exit(1);
    }
// POSIX lets dlsym's result be a function's address, ISO C knows no such conversion.
#define FIND(library, table, prefix, name) *(void**)&table.name = find(library, prefix #name)
    FIND(librdmacm, cm, "rdma_", create_event_channel);
    FIND(librdmacm, cm, "rdma_", destroy_event_channel);
    FIND(librdmacm, cm, "rdma_", create_id);
    FIND(librdmacm, cm, "rdma_", bind_addr);
    FIND(librdmacm, cm, "rdma_", destroy_id);
    FIND(libibverbs, verbs, "ibv_", alloc_pd);
    FIND(libibverbs, verbs, "ibv_", dealloc_pd);
    FIND(libibverbs, verbs, "ibv_", reg_mr);
    FIND(libibverbs, verbs, "ibv_", dereg_mr);
    FIND(libibverbs, verbs, "ibv_", create_comp_channel);
    FIND(libibverbs, verbs, "ibv_", destroy_comp_channel);
    FIND(libibverbs, verbs, "ibv_", get_cq_event);
    FIND(libibverbs, verbs, "ibv_", ack_cq_events);
    FIND(libibverbs, verbs, "ibv_", create_cq);
    FIND(libibverbs, verbs, "ibv_", destroy_cq);
    FIND(libibverbs, verbs, "ibv_", create_qp);
    FIND(libibverbs, verbs, "ibv_", modify_qp);
    FIND(libibverbs, verbs, "ibv_", destroy_qp);
    FIND(libibverbs, verbs, "ibv_", query_device);
    FIND(libibverbs, verbs, "ibv_", query_gid);
#undef FIND
}

enum { count = 128, slot_bytes = 2048, payload_bytes = 1000 };

struct end {
    struct rdma_cm_id* id;
    struct ibv_pd* pd;
    struct ibv_mr* mr;
    struct ibv_comp_channel* channel;
    struct ibv_cq* cq;
    struct ibv_qp* qp;
    uint8_t mac[6];
    uint8_t memory[count][slot_bytes];
};

static void open_end(struct end* end, struct rdma_event_channel* events, const char* address) {
    struct sockaddr_in in = {.sin_family = AF_INET};
    CHECK(inet_pton(AF_INET, address, &in.sin_addr) == 1);
    CHECK(cm.create_id(events, &end->id, NULL, RDMA_PS_UDP) == 0);
    CHECK(cm.bind_addr(end->id, (struct sockaddr*)&in) == 0);
    struct ibv_context* const context = end->id->verbs;
    CHECK(context != NULL);

    struct ibv_device_attr device;
    CHECK_ZERO(verbs.query_device(context, &device));
    CHECK(device.max_qp_wr >= count && device.max_raw_ethy_qp > 0);
    union ibv_gid gid;
    CHECK_ZERO(verbs.query_gid(context, end->id->port_num, 0, &gid));
    memcpy(end->mac, (uint8_t[]){gid.raw[8] ^ 2, gid.raw[9], gid.raw[10], gid.raw[13], gid.raw[14], gid.raw[15]}, 6);

    CHECK(end->pd = verbs.alloc_pd(context));
    CHECK(end->mr = verbs.reg_mr(end->pd, end->memory, sizeof end->memory, IBV_ACCESS_LOCAL_WRITE));
    CHECK(end->channel = verbs.create_comp_channel(context));
    CHECK(end->cq = verbs.create_cq(context, count, end, end->channel, 0));
    struct ibv_qp_init_attr attr = {
        .send_cq = end->cq,
        .recv_cq = end->cq,
        .cap = {.max_send_wr = count, .max_recv_wr = count, .max_send_sge = 1, .max_recv_sge = 1},
        .qp_type = IBV_QPT_RAW_PACKET};
    CHECK(end->qp = verbs.create_qp(end->pd, &attr));
    struct ibv_qp_attr step = {.qp_state = IBV_QPS_INIT, .port_num = end->id->port_num};
    CHECK_ZERO(verbs.modify_qp(end->qp, &step, IBV_QP_STATE | IBV_QP_PORT));
    step.qp_state = IBV_QPS_RTR;
    CHECK_ZERO(verbs.modify_qp(end->qp, &step, IBV_QP_STATE));
    step.qp_state = IBV_QPS_RTS;
    CHECK_ZERO(verbs.modify_qp(end->qp, &step, IBV_QP_STATE));
}

static void close_end(struct end* end) {
    CHECK_ZERO(verbs.destroy_qp(end->qp));
    CHECK_ZERO(verbs.destroy_cq(end->cq));
    CHECK_ZERO(verbs.destroy_comp_channel(end->channel));
    CHECK_ZERO(verbs.dereg_mr(end->mr));
    CHECK_ZERO(verbs.dealloc_pd(end->pd));
    CHECK(cm.destroy_id(end->id) == 0);
}

// A flow by destination MAC address alone.
static struct ibv_flow* install(struct end* end, const struct udp_key* key) {
    struct {
        struct ibv_flow_attr attr;
        struct ibv_flow_spec_eth eth;
    } flow = {
        .attr = {.type = IBV_FLOW_ATTR_NORMAL, .size = sizeof flow, .num_of_specs = 1, .port = 1},
        .eth = {.type = IBV_FLOW_SPEC_ETH, .size = sizeof flow.eth},
    };
    memcpy(flow.eth.val.dst_mac, key->dst_mac, 6);
    memset(flow.eth.mask.dst_mac, 0xff, 6);
    struct ibv_flow* const installed = ibv_create_flow(end->qp, &flow.attr);
    CHECK(installed != NULL);
    return installed;
}

static void send_all(struct end* end, const struct udp_key* key) {
    struct ibv_sge sges[count];
    struct ibv_send_wr wrs[count];
    for (uint32_t i = 0; i < count; ++i) {
        const size_t bytes = build_frame(end->memory[i], key, i, payload_bytes);
        sges[i] = (struct ibv_sge){.addr = (uintptr_t)end->memory[i], .length = (uint32_t)bytes, .lkey = end->mr->lkey};
        wrs[i] = (struct ibv_send_wr){.wr_id = i,
                                      .next = i + 1 < count ? &wrs[i + 1] : NULL,
                                      .sg_list = &sges[i],
                                      .num_sge = 1,
                                      .opcode = IBV_WR_SEND,
                                      .send_flags = i + 1 < count ? 0 : IBV_SEND_SIGNALED};
    }
    struct ibv_send_wr* bad;
    CHECK_ZERO(ibv_post_send(end->qp, wrs, &bad));
}

static void post_all(struct end* end) {
    for (uint32_t i = 0; i < count; ++i) {
        struct ibv_sge sge = {.addr = (uintptr_t)end->memory[i], .length = slot_bytes, .lkey = end->mr->lkey};
        struct ibv_recv_wr wr = {.wr_id = i, .sg_list = &sge, .num_sge = 1}, *bad;
        CHECK_ZERO(ibv_post_recv(end->qp, &wr, &bad));
    }
}

int main(int argc, char* argv[]) {
    CHECK(argc == 3 || argc == 4);
    load(argc == 4 ? argv[3] : "");
    struct rdma_event_channel* const events = cm.create_event_channel();
    CHECK(events != NULL);
    static struct end receiver, sender;
    open_end(&receiver, events, argv[1]);
    open_end(&sender, events, argv[2]);
    const struct udp_key key = group_key(sender.mac, 7148);
    struct ibv_flow* const flow = install(&receiver, &key);
    post_all(&receiver);
    CHECK_ZERO(ibv_req_notify_cq(receiver.cq, 0));
    send_all(&sender, &key);

    // The first frame wakes us up, the others are polled.
    struct ibv_cq* cq;
    void* context;
    CHECK(verbs.get_cq_event(receiver.channel, &cq, &context) == 0);
    CHECK(cq == receiver.cq && context == &receiver);
    verbs.ack_cq_events(cq, 1);
    const double deadline = deadline_in_seconds(patience_seconds);
    for (uint32_t received = 0; received < count;) {
        struct ibv_wc wcs[16];
        const int polled = ibv_poll_cq(receiver.cq, 16, wcs);
        CHECK(polled >= 0);
        for (int i = 0; i < polled; ++i, ++received) {
            CHECK(wcs[i].status == IBV_WC_SUCCESS);
            CHECK_EQUAL(wcs[i].wr_id, received);
            check_frame(receiver.memory[received], wcs[i].byte_len, &key, received, payload_bytes);
        }
        CHECK(!has_passed(deadline));
        if (polled == 0) sched_yield();
    }
    struct ibv_wc sent;
    CHECK(ibv_poll_cq(sender.cq, 1, &sent) == 1);
    CHECK(sent.status == IBV_WC_SUCCESS && sent.wr_id == count - 1);

    CHECK_ZERO(ibv_destroy_flow(flow));
    close_end(&sender);
    close_end(&receiver);
    cm.destroy_event_channel(events);
    printf("%d frames\n", count);
    return 0;
}
