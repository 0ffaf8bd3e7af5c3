// SPDX-License-Identifier: Apache-2.0
#include "exchange.h"

enum { slots = 64, slot_bytes = 2048, rounds = 5 };

static void receive_all(struct nic* receiver, struct sender* sender, const struct udp_key* key) {
    static uint8_t memory[slots][slot_bytes];
    struct ibv_mr* const mr = ibv_reg_mr(receiver->pd, memory, sizeof memory, IBV_ACCESS_LOCAL_WRITE);
    CHECK(mr != NULL);
    struct ibv_cq* const cq = make_cq(receiver, slots, NULL);
    struct ibv_qp* const qp = make_raw_qp(receiver, cq, 0, slots, 1);
    to_ready(qp);
    struct ibv_flow* const flow = make_flow(qp, key);

    uint32_t sent = 0, received = 0;
    for (int round = 0; round < rounds; ++round) {
        for (uint64_t i = 0; i < slots; ++i)
            post_recv(qp, i, &(struct ibv_sge){.addr = (uintptr_t)memory[i], .length = slot_bytes, .lkey = mr->lkey},
                      1);
        for (; sent < (uint32_t)(round + 1) * slots; ++sent) send_frame(sender, key, sent, 18 + sent * 4);
        for (; received < sent; ++received) {
            const struct ibv_wc wc = next_completion(cq);
            CHECK(wc.opcode == IBV_WC_RECV && wc.qp_num == qp->qp_num);
            CHECK_EQUAL(wc.wr_id, received % slots);
            check_frame(memory[wc.wr_id], wc.byte_len, key, received, 18 + received * 4);
        }
    }
    // A frame for another port must not arrive.
    struct udp_key other = *key;
    ++other.dst_port;
    send_frame(sender, &other, 0, 18);
    expect_no_completion(cq);

    CHECK_ZERO(ibv_destroy_flow(flow));
    CHECK_ZERO(ibv_destroy_qp(qp));
    CHECK_ZERO(ibv_destroy_cq(cq));
    CHECK_ZERO(ibv_dereg_mr(mr));
}

void exchange(struct nic* receiver, struct nic* sender) {
    struct ibv_port_attr port;
    CHECK_ZERO(ibv_query_port(receiver->context, 1, &port));
    CHECK(port.link_layer == IBV_LINK_LAYER_ETHERNET);
    CHECK(port.state == IBV_PORT_ACTIVE);

    static struct sender out;
    open_sender(&out, sender);
    const struct udp_key unicast = unicast_key(sender->mac, receiver->mac, 7148);
    receive_all(receiver, &out, &unicast);
    const struct udp_key group = group_key(sender->mac, 7148);
    receive_all(receiver, &out, &group);
    close_sender(&out);
    printf("two times %d frames from %s to %s\n", rounds * slots, ibv_get_device_name(sender->context->device),
           ibv_get_device_name(receiver->context->device));
}
