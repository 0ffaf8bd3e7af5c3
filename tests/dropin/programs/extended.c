// SPDX-License-Identifier: Apache-2.0
// extended RECEIVER SENDER: the newer ways of polling and posting: an extended completion queue with timestamps, and an
// extended queue pair whose work requests are built by ibv_wr_* calls.
#include <sched.h>

#include "nic.h"

enum { slots = 128, slot_bytes = 2048, rounds = 8, batch = 16, inline_bytes = 64 };

static struct ibv_cq_ex* make_cq_ex(struct nic* nic) {
    struct ibv_cq_init_attr_ex attr = {
        .cqe = slots,
        .wc_flags = IBV_WC_EX_WITH_BYTE_LEN | IBV_WC_EX_WITH_QP_NUM | IBV_WC_EX_WITH_COMPLETION_TIMESTAMP};
    struct ibv_cq_ex* const cq = ibv_create_cq_ex(nic->context, &attr);
    CHECK(cq != NULL);
    return cq;
}

static struct ibv_qp_ex* make_qp_ex(struct nic* nic, struct ibv_cq_ex* cq) {
    struct ibv_qp_init_attr_ex attr = {
        .send_cq = ibv_cq_ex_to_cq(cq),
        .recv_cq = ibv_cq_ex_to_cq(cq),
        .cap = {.max_send_wr = slots, .max_send_sge = 2, .max_inline_data = inline_bytes},
        .qp_type = IBV_QPT_RAW_PACKET,
        .comp_mask = IBV_QP_INIT_ATTR_PD | IBV_QP_INIT_ATTR_SEND_OPS_FLAGS,
        .pd = nic->pd,
        .send_ops_flags = IBV_QP_EX_WITH_SEND,
    };
    struct ibv_qp* const qp = ibv_create_qp_ex(nic->context, &attr);
    CHECK(qp != NULL);
    to_ready(qp);
    struct ibv_qp_ex* const extended = ibv_qp_to_qp_ex(qp);
    CHECK(extended != NULL);
    return extended;
}

static uint64_t device_time(struct nic* nic) {
    struct ibv_values_ex values = {.comp_mask = IBV_VALUES_MASK_RAW_CLOCK};
    CHECK_ZERO(ibv_query_rt_values_ex(nic->context, &values));
    CHECK(values.comp_mask == IBV_VALUES_MASK_RAW_CLOCK);
    return (uint64_t)values.raw_clock.tv_sec * 1000000000 + (uint64_t)values.raw_clock.tv_nsec;
}

struct out {
    struct ibv_cq_ex* cq;
    struct ibv_qp_ex* qp;
    struct ibv_mr* mr;
    uint8_t memory[batch][slot_bytes];
    uint32_t number;
};

static size_t payload_bytes(uint32_t number) { return 18 + number * 7 % 1400; }

// One batch between ibv_wr_start and ibv_wr_complete; the data in one element, in two, or inline.
static void send_batch(struct out* out, const struct udp_key* key) {
    ibv_wr_start(out->qp);
    for (int i = 0; i < batch; ++i, ++out->number) {
        const uint32_t bytes = (uint32_t)build_frame(out->memory[i], key, out->number, payload_bytes(out->number));
        out->qp->wr_id = out->number;
        out->qp->wr_flags = i == batch - 1 ? IBV_SEND_SIGNALED : 0;
        ibv_wr_send(out->qp);
        const struct ibv_sge halves[] = {
            {.addr = (uintptr_t)out->memory[i], .length = 20, .lkey = out->mr->lkey},
            {.addr = (uintptr_t)out->memory[i] + 20, .length = bytes - 20, .lkey = out->mr->lkey}};
        if (bytes <= inline_bytes)
            ibv_wr_set_inline_data(out->qp, out->memory[i], bytes);
        else if (i % 2)
            ibv_wr_set_sge(out->qp, out->mr->lkey, (uintptr_t)out->memory[i], bytes);
        else
            ibv_wr_set_sge_list(out->qp, 2, halves);
    }
    CHECK_ZERO(ibv_wr_complete(out->qp));
}

static void await(struct ibv_cq_ex* cq) {
    const double deadline = deadline_in_seconds(patience_seconds);
    struct ibv_poll_cq_attr attr = {0};
    for (int result; (result = ibv_start_poll(cq, &attr)) != 0;) {
        CHECK(result == ENOENT);
        CHECK(!has_passed(deadline));
        sched_yield();
    }
}

int main(int argc, char* argv[]) {
    CHECK(argc == 3);
    struct nic receiver = open_nic(argv[1]), sender = open_nic(argv[2]);
    struct ibv_device_attr_ex device;
    CHECK_ZERO(ibv_query_device_ex(receiver.context, NULL, &device));
    CHECK(device.completion_timestamp_mask != 0 && device.hca_core_clock != 0);

    static uint8_t memory[slots][slot_bytes];
    struct ibv_mr* const mr = ibv_reg_mr(receiver.pd, memory, sizeof memory, IBV_ACCESS_LOCAL_WRITE);
    CHECK(mr != NULL);
    struct ibv_cq_ex* const cq = make_cq_ex(&receiver);
    struct ibv_qp* const qp = make_raw_qp(&receiver, ibv_cq_ex_to_cq(cq), 0, slots, 1);
    to_ready(qp);
    const struct udp_key key = unicast_key(sender.mac, receiver.mac, 7600);
    struct ibv_flow* const flow = make_flow(qp, &key);

    static struct out out;
    out.cq = make_cq_ex(&sender);
    out.qp = make_qp_ex(&sender, out.cq);
    CHECK(out.mr = ibv_reg_mr(sender.pd, out.memory, sizeof out.memory, 0));

    // Aborted requests are never sent.
    ibv_wr_start(out.qp);
    out.qp->wr_id = 1000;
    out.qp->wr_flags = IBV_SEND_SIGNALED;
    ibv_wr_send(out.qp);
    ibv_wr_set_sge(out.qp, out.mr->lkey, (uintptr_t)out.memory[0], 60);
    ibv_wr_abort(out.qp);

    const uint64_t begin = device_time(&receiver);
    uint64_t last = begin, last_sent = device_time(&sender);
    uint32_t received = 0;
    for (int round = 0; round < rounds; ++round) {
        for (uint64_t i = 0; i < slots; ++i)
            post_recv(qp, i, &(struct ibv_sge){.addr = (uintptr_t)memory[i], .length = slot_bytes, .lkey = mr->lkey},
                      1);
        for (int i = 0; i < slots / batch; ++i) {
            send_batch(&out, &key);
            await(out.cq);
            CHECK(out.cq->status == IBV_WC_SUCCESS);
            CHECK_EQUAL(out.cq->wr_id, out.number - 1);
            CHECK(ibv_wc_read_opcode(out.cq) == IBV_WC_SEND);
            const uint64_t time = ibv_wc_read_completion_ts(out.cq);
            CHECK(time >= last_sent);
            last_sent = time;
            CHECK(ibv_next_poll(out.cq) == ENOENT);
            ibv_end_poll(out.cq);
        }
        for (uint32_t end = received + slots; received < end;) {
            await(cq);
            int result;
            do {
                CHECK(cq->status == IBV_WC_SUCCESS);
                CHECK_EQUAL(cq->wr_id, received % slots);
                CHECK(ibv_wc_read_opcode(cq) == IBV_WC_RECV);
                CHECK(ibv_wc_read_qp_num(cq) == qp->qp_num);
                check_frame(memory[cq->wr_id], ibv_wc_read_byte_len(cq), &key, received, payload_bytes(received));
                const uint64_t time = ibv_wc_read_completion_ts(cq);
                CHECK(time >= last);
                last = time;
                ++received;
            } while ((result = ibv_next_poll(cq)) == 0);
            CHECK(result == ENOENT);
            ibv_end_poll(cq);
        }
    }
    const uint64_t end = device_time(&receiver);
    CHECK(last > begin && last <= end);
    CHECK(last_sent <= device_time(&sender));

    CHECK_ZERO(ibv_destroy_flow(flow));
    CHECK_ZERO(ibv_destroy_qp(qp));
    CHECK_ZERO(ibv_destroy_cq(ibv_cq_ex_to_cq(cq)));
    CHECK_ZERO(ibv_dereg_mr(mr));
    CHECK_ZERO(ibv_destroy_qp(&out.qp->qp_base));
    CHECK_ZERO(ibv_destroy_cq(ibv_cq_ex_to_cq(out.cq)));
    CHECK_ZERO(ibv_dereg_mr(out.mr));
    close_nic(&sender);
    close_nic(&receiver);
    printf("%u frames in %.3f ms of the device's time\n", received, 1e-6 * (double)(end - begin));
    return 0;
}
