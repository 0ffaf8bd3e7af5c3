// SPDX-License-Identifier: Apache-2.0
// retarget RECEIVER SENDER: few work requests walk through much memory: before one is posted again, its scatter element
// is pointed at the next free place, as hashpipe_ibverbs does to avoid copies. The memory has two regions, so the key
// changes as well.
#include "nic.h"

enum { requests = 32, places = 4096, place_bytes = 192, payload_bytes = 150 };

int main(int argc, char* argv[]) {
    CHECK(argc == 3);
    struct nic receiver = open_nic(argv[1]), sender = open_nic(argv[2]);
    uint8_t(*const memory)[place_bytes] = calloc(places, place_bytes);
    CHECK(memory != NULL);
    struct ibv_mr* mrs[2];
    for (int i = 0; i < 2; ++i)
        CHECK(mrs[i] =
                  ibv_reg_mr(receiver.pd, memory[i * places / 2], places / 2 * place_bytes, IBV_ACCESS_LOCAL_WRITE));
    struct ibv_cq* const cq = make_cq(&receiver, requests, NULL);
    struct ibv_qp* const qp = make_raw_qp(&receiver, cq, 0, requests, 1);
    to_ready(qp);
    static struct sender out;
    open_sender(&out, &sender);
    const struct udp_key key = unicast_key(sender.mac, receiver.mac, 7400);
    struct ibv_flow* const flow = make_flow(qp, &key);

    struct ibv_sge sges[requests];
    struct ibv_recv_wr wrs[requests];
    int next_place = 0;
    for (int i = 0; i < requests; ++i) {
        wrs[i] = (struct ibv_recv_wr){.wr_id = (uintptr_t)&wrs[i], .sg_list = &sges[i], .num_sge = 1};
        sges[i] =
            (struct ibv_sge){.addr = (uintptr_t)memory[next_place++], .length = place_bytes, .lkey = mrs[0]->lkey};
        struct ibv_recv_wr* bad;
        CHECK_ZERO(ibv_post_recv(qp, &wrs[i], &bad));
    }
    uint32_t sent = 0, received = 0;
    while (received < places) {
        for (; sent < places && sent - received < requests; ++sent) send_frame(&out, &key, sent, payload_bytes);
        const struct ibv_wc wc = next_completion(cq);
        struct ibv_recv_wr* const wr = (struct ibv_recv_wr*)(uintptr_t)wc.wr_id;
        CHECK(wr->sg_list->addr == (uintptr_t)memory[received]);
        CHECK_EQUAL(wc.byte_len, frame_header_bytes + payload_bytes);
        ++received;
        if (next_place == places) continue;
        wr->sg_list->addr = (uintptr_t)memory[next_place];
        wr->sg_list->lkey = mrs[next_place / (places / 2)]->lkey;
        ++next_place;
        struct ibv_recv_wr* bad;
        CHECK_ZERO(ibv_post_recv(qp, wr, &bad));
    }
    for (uint32_t i = 0; i < places; ++i) {
        check_frame(memory[i], frame_header_bytes + payload_bytes, &key, i, payload_bytes);
        for (int rest = frame_header_bytes + payload_bytes; rest < place_bytes; ++rest) CHECK(memory[i][rest] == 0);
    }

    CHECK_ZERO(ibv_destroy_flow(flow));
    CHECK_ZERO(ibv_destroy_qp(qp));
    CHECK_ZERO(ibv_destroy_cq(cq));
    for (int i = 0; i < 2; ++i) CHECK_ZERO(ibv_dereg_mr(mrs[i]));
    close_sender(&out);
    close_nic(&sender);
    close_nic(&receiver);
    free(memory);
    printf("%d frames by %d work requests\n", places, requests);
    return 0;
}
