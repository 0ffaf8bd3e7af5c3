// SPDX-License-Identifier: Apache-2.0
// rss RECEIVER SENDER: one flow, spread over work queues by a Toeplitz hash and an indirection table. The program
// computes the hash itself and checks where each frame arrives.
#include <arpa/inet.h>
#include <sched.h>

#include "nic.h"

enum { queues = 4, log_table = 4, slots = 256, slot_bytes = 256, tuples = 600, payload_bytes = 64 };

// The key and the first vector of Microsoft's "Verifying the RSS Hash Calculation".
static uint8_t hash_key[40] = {0x6d, 0x5a, 0x56, 0xda, 0x25, 0x5b, 0x0e, 0xc2, 0x41, 0x67, 0x25, 0x3d, 0x43, 0xa3,
                               0x8f, 0xb0, 0xd0, 0xca, 0x2b, 0xcb, 0xae, 0x7b, 0x30, 0xb4, 0x77, 0xcb, 0x2d, 0xa3,
                               0x80, 0x30, 0xf2, 0x0c, 0x6a, 0x42, 0xb7, 0x3b, 0xbe, 0xac, 0x01, 0xfa};

static uint32_t toeplitz(const uint8_t* data, size_t bytes) {
    uint32_t hash = 0;
    for (size_t bit = 0; bit < 8 * bytes; ++bit) {
        if (!(data[bit / 8] & 0x80 >> bit % 8)) continue;
        for (size_t i = 0; i < 32; ++i)
            if (hash_key[(bit + i) / 8] & 0x80 >> (bit + i) % 8) hash ^= UINT32_C(0x80000000) >> i;
    }
    return hash;
}

static uint32_t hash_of(const struct udp_key* key) {
    uint8_t input[12];
    memcpy(input, &key->src_ip, 4);
    memcpy(input + 4, &key->dst_ip, 4);
    memcpy(input + 8,
           (uint8_t[]){(uint8_t)(key->src_port >> 8), (uint8_t)key->src_port, (uint8_t)(key->dst_port >> 8),
                       (uint8_t)key->dst_port},
           4);
    return toeplitz(input, sizeof input);
}

struct queue {
    struct ibv_cq* cq;
    struct ibv_wq* wq;
    struct ibv_mr* mr;
    uint32_t expected;
    uint32_t received;
    uint8_t memory[slots][slot_bytes];
    /// The numbers of the expected frames, in order.
    uint32_t numbers[tuples];
};

static void open_queue(struct queue* queue, struct nic* nic) {
    queue->cq = make_cq(nic, slots, NULL);
    CHECK(queue->mr = ibv_reg_mr(nic->pd, queue->memory, sizeof queue->memory, IBV_ACCESS_LOCAL_WRITE));
    struct ibv_wq_init_attr attr = {
        .wq_type = IBV_WQT_RQ, .max_wr = slots, .max_sge = 1, .pd = nic->pd, .cq = queue->cq};
    CHECK(queue->wq = ibv_create_wq(nic->context, &attr));
    struct ibv_wq_attr ready = {.attr_mask = IBV_WQ_ATTR_STATE, .wq_state = IBV_WQS_RDY};
    CHECK_ZERO(ibv_modify_wq(queue->wq, &ready));
    for (uint64_t i = 0; i < slots; ++i) {
        struct ibv_sge sge = {.addr = (uintptr_t)queue->memory[i], .length = slot_bytes, .lkey = queue->mr->lkey};
        struct ibv_recv_wr wr = {.wr_id = i, .sg_list = &sge, .num_sge = 1}, *bad;
        CHECK_ZERO(ibv_post_wq_recv(queue->wq, &wr, &bad));
    }
}

static void close_queue(struct queue* queue) {
    CHECK_ZERO(ibv_destroy_wq(queue->wq));
    CHECK_ZERO(ibv_destroy_cq(queue->cq));
    CHECK_ZERO(ibv_dereg_mr(queue->mr));
}

static struct udp_key tuple(const struct udp_key* base, uint32_t number) {
    struct udp_key key = *base;
    key.src_ip = htonl(0x0a090000 + number * 37 % 251);
    key.dst_ip = htonl(0x0a0a0000 + number);
    key.src_port = (uint16_t)(1024 + number * 7919 % 60000);
    key.dst_port = (uint16_t)(7000 + number % 17);
    return key;
}

int main(int argc, char* argv[]) {
    CHECK(argc == 3);
    const struct udp_key vector = {
        .src_ip = htonl(0x420995bb), .dst_ip = htonl(0xa18e6450), .src_port = 2794, .dst_port = 1766};
    CHECK_EQUAL(hash_of(&vector), 0x51ccc178);

    struct nic receiver = open_nic(argv[1]), sender = open_nic(argv[2]);
    const uint64_t fields =
        IBV_RX_HASH_SRC_IPV4 | IBV_RX_HASH_DST_IPV4 | IBV_RX_HASH_SRC_PORT_UDP | IBV_RX_HASH_DST_PORT_UDP;
    struct ibv_device_attr_ex device;
    CHECK_ZERO(ibv_query_device_ex(receiver.context, NULL, &device));
    CHECK(device.rss_caps.supported_qpts & 1u << IBV_QPT_RAW_PACKET);
    CHECK(device.rss_caps.rx_hash_function & IBV_RX_HASH_FUNC_TOEPLITZ);
    CHECK((device.rss_caps.rx_hash_fields_mask & fields) == fields);
    CHECK(device.rss_caps.max_rwq_indirection_table_size >= 1u << log_table);
    CHECK(device.max_wq_type_rq >= queues);

    static struct queue all[queues];
    for (int i = 0; i < queues; ++i) open_queue(&all[i], &receiver);
    struct ibv_wq* entries[1 << log_table];
    uint32_t queue_of[1 << log_table];
    for (uint32_t i = 0; i < 1u << log_table; ++i) {
        queue_of[i] = i * 5 % 7 % queues;  // not evenly
        entries[i] = all[queue_of[i]].wq;
    }
    struct ibv_rwq_ind_table_init_attr table_attr = {.log_ind_tbl_size = log_table, .ind_tbl = entries};
    struct ibv_rwq_ind_table* const table = ibv_create_rwq_ind_table(receiver.context, &table_attr);
    CHECK(table != NULL);
    struct ibv_qp_init_attr_ex attr = {
        .qp_type = IBV_QPT_RAW_PACKET,
        .comp_mask = IBV_QP_INIT_ATTR_PD | IBV_QP_INIT_ATTR_IND_TABLE | IBV_QP_INIT_ATTR_RX_HASH,
        .pd = receiver.pd,
        .rwq_ind_tbl = table,
        .rx_hash_conf = {.rx_hash_function = IBV_RX_HASH_FUNC_TOEPLITZ,
                         .rx_hash_key_len = sizeof hash_key,
                         .rx_hash_key = hash_key,
                         .rx_hash_fields_mask = fields}};
    struct ibv_qp* const qp = ibv_create_qp_ex(receiver.context, &attr);
    CHECK(qp != NULL);

    const struct udp_key base = unicast_key(sender.mac, receiver.mac, 0);
    struct udp_flow description = describe_flow(&base);
    description.ipv4.mask.src_ip = description.ipv4.mask.dst_ip = 0;
    description.udp.mask.dst_port = 0;
    struct ibv_flow* const flow = ibv_create_flow(qp, &description.attr);
    CHECK(flow != NULL);

    static struct sender out;
    open_sender(&out, &sender);
    for (uint32_t i = 0; i < tuples; ++i) {
        const struct udp_key key = tuple(&base, i);
        struct queue* queue = &all[queue_of[hash_of(&key) & ((1u << log_table) - 1)]];
        queue->numbers[queue->expected++] = i;
        send_frame(&out, &key, i, payload_bytes);
        if (i % 64 != 63 && i != tuples - 1) continue;
        for (int q = 0; q < queues; ++q)
            for (queue = &all[q]; queue->received < queue->expected; ++queue->received) {
                const struct ibv_wc wc = next_completion(queue->cq);
                const uint32_t number = queue->numbers[queue->received];
                const struct udp_key arrived = tuple(&base, number);
                check_frame(queue->memory[wc.wr_id], wc.byte_len, &arrived, number, payload_bytes);
                struct ibv_sge sge = {
                    .addr = (uintptr_t)queue->memory[wc.wr_id], .length = slot_bytes, .lkey = queue->mr->lkey};
                struct ibv_recv_wr wr = {.wr_id = wc.wr_id, .sg_list = &sge, .num_sge = 1}, *bad;
                CHECK_ZERO(ibv_post_wq_recv(queue->wq, &wr, &bad));
            }
    }
    for (int q = 0; q < queues; ++q) {
        expect_no_completion(all[q].cq);
        CHECK(all[q].received > 0);
        printf("queue %d: %u frames\n", q, all[q].received);
    }

    CHECK_ZERO(ibv_destroy_flow(flow));
    CHECK_ZERO(ibv_destroy_qp(qp));
    CHECK_ZERO(ibv_destroy_rwq_ind_table(table));
    for (int q = 0; q < queues; ++q) close_queue(&all[q]);
    close_sender(&out);
    close_nic(&sender);
    close_nic(&receiver);
    return 0;
}
