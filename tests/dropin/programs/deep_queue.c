// SPDX-License-Identifier: Apache-2.0
// deep_queue RECEIVER SENDER: thousands of receives posted at once, as in programs that must not lose a burst, each
// with the headers in one region and the payload in another. The queue takes exactly as many as it reports, and each is
// filled.
#include "nic.h"

enum { depth = 8192, chain = 512, burst = 256, header_room = 64, payload_room = 128, payload_bytes = 100 };

int main(int argc, char* argv[]) {
    CHECK(argc == 3);
    struct nic receiver = open_nic(argv[1]), sender = open_nic(argv[2]);
    struct ibv_device_attr device;
    CHECK_ZERO(ibv_query_device(receiver.context, &device));
    CHECK(device.max_qp_wr >= depth && device.max_cqe >= depth && device.max_sge >= 2);

    uint8_t(*const headers)[header_room] = calloc(depth, header_room);
    uint8_t(*const payloads)[payload_room] = calloc(depth, payload_room);
    struct ibv_sge(*const sges)[2] = calloc(depth, sizeof *sges);
    struct ibv_recv_wr* const wrs = calloc(depth, sizeof *wrs);
    CHECK(headers && payloads && sges && wrs);
    struct ibv_mr* const header_mr = ibv_reg_mr(receiver.pd, headers, depth * header_room, IBV_ACCESS_LOCAL_WRITE);
    struct ibv_mr* const payload_mr = ibv_reg_mr(receiver.pd, payloads, depth * payload_room, IBV_ACCESS_LOCAL_WRITE);
    CHECK(header_mr && payload_mr);

    struct ibv_cq* const cq = make_cq(&receiver, depth, NULL);
    struct ibv_qp* const qp = make_raw_qp(&receiver, cq, 0, depth, 2);
    struct ibv_qp_attr attr;
    struct ibv_qp_init_attr init;
    CHECK_ZERO(ibv_query_qp(qp, &attr, IBV_QP_CAP, &init));
    CHECK(init.cap.max_recv_wr >= depth && init.cap.max_recv_sge >= 2);
    to_ready(qp);
    for (int i = 0; i < depth; ++i) {
        // The headers' memory has no spare room: the payload starts where they end.
        sges[i][0] =
            (struct ibv_sge){.addr = (uintptr_t)headers[i], .length = frame_header_bytes, .lkey = header_mr->lkey};
        sges[i][1] = (struct ibv_sge){.addr = (uintptr_t)payloads[i], .length = payload_room, .lkey = payload_mr->lkey};
        wrs[i] = (struct ibv_recv_wr){.wr_id = (uint64_t)i,
                                      .next = i % chain == chain - 1 ? NULL : &wrs[i + 1],
                                      .sg_list = sges[i],
                                      .num_sge = 2};
    }
    struct ibv_recv_wr* bad = NULL;
    for (int i = 0; i < depth; i += chain) CHECK_ZERO(ibv_post_recv(qp, &wrs[i], &bad));
    // Full; bad_wr says which one was refused.
    for (uint32_t i = depth; i < init.cap.max_recv_wr; ++i) CHECK_ZERO(ibv_post_recv(qp, &wrs[depth - 1], &bad));
    CHECK(ibv_post_recv(qp, &wrs[chain - 1], &bad) == ENOMEM && bad == &wrs[chain - 1]);

    static struct sender out;
    open_sender(&out, &sender);
    const struct udp_key key = group_key(sender.mac, 7500);
    struct ibv_flow* const flow = make_flow(qp, &key);
    uint32_t sent = 0, received = 0;
    while (received < depth) {
        for (const uint32_t end = sent + burst; sent < end; ++sent) send_frame(&out, &key, sent, payload_bytes);
        while (received < sent) {
            const struct ibv_wc wc = next_completion(cq);
            CHECK_EQUAL(wc.wr_id, received);
            CHECK_EQUAL(wc.byte_len, frame_header_bytes + payload_bytes);
            ++received;
        }
    }
    for (uint32_t i = 0; i < depth; ++i) {
        check_headers(headers[i], &key, payload_bytes);
        check_payload(payloads[i], i, payload_bytes);
    }

    CHECK_ZERO(ibv_destroy_flow(flow));
    CHECK_ZERO(ibv_destroy_qp(qp));
    CHECK_ZERO(ibv_destroy_cq(cq));
    CHECK_ZERO(ibv_dereg_mr(header_mr));
    CHECK_ZERO(ibv_dereg_mr(payload_mr));
    close_sender(&out);
    close_nic(&sender);
    close_nic(&receiver);
    free(headers);
    free(payloads);
    free(sges);
    free(wrs);
    printf("%d posted, %u received\n", depth, received);
    return 0;
}
