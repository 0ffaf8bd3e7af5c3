// SPDX-License-Identifier: Apache-2.0
// counters_resize RECEIVER SENDER: features of production programs: a parent domain, a completion queue that is resized
// while in use, counters on a flow, and the device's asynchronous events.
#include <fcntl.h>
#include <poll.h>

#include "nic.h"

enum { slots = 512, slot_bytes = 256, first_depth = 16, payload_bytes = 80 };

static uint8_t memory[slots][slot_bytes];

static void post_slots(struct ibv_qp* qp, struct ibv_mr* mr, uint64_t begin, uint64_t end) {
    for (uint64_t i = begin; i < end; ++i)
        post_recv(qp, i, &(struct ibv_sge){.addr = (uintptr_t)memory[i], .length = slot_bytes, .lkey = mr->lkey}, 1);
}

// Completions stay in the queue when it grows.
static void resize(struct ibv_cq* cq, struct ibv_qp* qp, struct ibv_mr* mr, struct sender* out,
                   const struct udp_key* key) {
    post_slots(qp, mr, 0, slots);
    for (uint32_t i = 0; i < first_depth; ++i) send_frame(out, key, i, payload_bytes);
    struct ibv_wc wc = next_completion(cq);
    CHECK_EQUAL(wc.wr_id, 0);
    CHECK_ZERO(ibv_resize_cq(cq, slots));
    CHECK(cq->cqe >= slots);
    for (uint32_t i = first_depth; i < slots; ++i) send_frame(out, key, i, payload_bytes);
    for (uint32_t i = 1; i < slots; ++i) {
        wc = next_completion(cq);
        CHECK_EQUAL(wc.wr_id, i);
        check_frame(memory[i], wc.byte_len, key, i, payload_bytes);
    }
    CHECK_ZERO(ibv_resize_cq(cq, first_depth));
    CHECK(cq->cqe >= first_depth && cq->cqe < slots);
    CHECK(ibv_resize_cq(cq, -1) != 0);
}

static struct ibv_flow* count(struct nic* nic, struct ibv_qp* qp, const struct udp_key* key,
                              struct ibv_counters** counters) {
    CHECK(*counters = ibv_create_counters(nic->context, &(struct ibv_counters_init_attr){0}));
    struct {
        struct udp_flow udp;
        struct ibv_flow_spec_counter_action counting;
    } __attribute__((packed))
    flow = {.udp = describe_flow(key),
            .counting = {.type = IBV_FLOW_SPEC_ACTION_COUNT, .size = sizeof flow.counting, .counters = *counters}};
    flow.udp.attr.size = sizeof flow;
    ++flow.udp.attr.num_of_specs;
    struct ibv_counter_attach_attr packets = {.counter_desc = IBV_COUNTER_PACKETS, .index = 0};
    struct ibv_counter_attach_attr bytes = {.counter_desc = IBV_COUNTER_BYTES, .index = 1};
    CHECK_ZERO(ibv_attach_counters_point_flow(*counters, &packets, NULL));
    CHECK_ZERO(ibv_attach_counters_point_flow(*counters, &bytes, NULL));
    void* const description = &flow;
    struct ibv_flow* const result = ibv_create_flow(qp, description);
    CHECK(result != NULL);
    return result;
}

// An overrun of a completion queue raises an asynchronous event: nothing else reports it.
static void overrun(struct nic* nic, struct ibv_mr* mr, struct sender* out, const struct udp_key* key) {
    const int fd = nic->context->async_fd;
    CHECK(fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK) == 0);
    struct ibv_async_event event;
    CHECK(ibv_get_async_event(nic->context, &event) != 0 && errno == EAGAIN);

    struct ibv_cq* const cq = make_cq(nic, 4, NULL);
    struct ibv_cq* const other = make_cq(nic, 4, NULL);
    struct ibv_qp* const qp = make_raw_qp(nic, cq, 0, slots, 1);
    to_ready(qp);
    struct ibv_flow* const flow = make_flow(qp, key);
    const uint64_t frames = (uint64_t)cq->cqe + 1;
    CHECK(frames < slots);
    post_slots(qp, mr, 0, slots);
    for (uint32_t i = 0; i < frames; ++i) send_frame(out, key, i, payload_bytes);
    // Polling lets the link deliver, also for other queues.
    struct ibv_wc wc;
    struct pollfd wait = {.fd = fd, .events = POLLIN};
    const double deadline = deadline_in_seconds(patience_seconds);
    while (poll(&wait, 1, 1) == 0) {
        CHECK(ibv_poll_cq(other, 1, &wc) == 0);
        CHECK(!has_passed(deadline));
    }
    CHECK(ibv_get_async_event(nic->context, &event) == 0);
    CHECK(event.event_type == IBV_EVENT_CQ_ERR && event.element.cq == cq);
    CHECK(strlen(ibv_event_type_str(event.event_type)) > 0);
    ibv_ack_async_event(&event);

    CHECK_ZERO(ibv_destroy_flow(flow));
    CHECK_ZERO(ibv_destroy_qp(qp));
    CHECK_ZERO(ibv_destroy_cq(cq));
    CHECK_ZERO(ibv_destroy_cq(other));
}

int main(int argc, char* argv[]) {
    CHECK(argc == 3);
    struct nic receiver = open_nic(argv[1]), sender = open_nic(argv[2]);
    struct ibv_td* const td = ibv_alloc_td(receiver.context, &(struct ibv_td_init_attr){0});
    CHECK(td != NULL);
    struct ibv_parent_domain_init_attr domain = {.pd = receiver.pd, .td = td};
    struct ibv_pd* const parent = ibv_alloc_parent_domain(receiver.context, &domain);
    CHECK(parent != NULL);
    struct ibv_mr* const mr = ibv_reg_mr(receiver.pd, memory, sizeof memory, IBV_ACCESS_LOCAL_WRITE);
    CHECK(mr != NULL);
    static struct sender out;
    open_sender(&out, &sender);

    struct ibv_cq* const cq = make_cq(&receiver, first_depth, NULL);
    struct nic in_parent = {.context = receiver.context, .pd = parent};
    struct ibv_qp* const qp = make_raw_qp(&in_parent, cq, 0, slots, 1);
    to_ready(qp);
    const struct udp_key key = unicast_key(sender.mac, receiver.mac, 7700);
    struct ibv_counters* counters;
    struct ibv_flow* const flow = count(&receiver, qp, &key, &counters);
    resize(cq, qp, mr, &out, &key);
    uint64_t values[2];
    CHECK_ZERO(ibv_read_counters(counters, values, 2, 0));
    CHECK_EQUAL(values[0], slots);
    CHECK_EQUAL(values[1], slots * (frame_header_bytes + payload_bytes));
    CHECK_ZERO(ibv_destroy_flow(flow));
    CHECK_ZERO(ibv_destroy_counters(counters));
    CHECK_ZERO(ibv_destroy_qp(qp));
    CHECK_ZERO(ibv_destroy_cq(cq));

    const struct udp_key other = unicast_key(sender.mac, receiver.mac, 7701);
    overrun(&receiver, mr, &out, &other);

    CHECK_ZERO(ibv_dereg_mr(mr));
    CHECK_ZERO(ibv_dealloc_pd(parent));
    CHECK_ZERO(ibv_dealloc_td(td));
    close_sender(&out);
    close_nic(&sender);
    close_nic(&receiver);
    printf("counted %llu packets, %llu bytes\n", (unsigned long long)values[0], (unsigned long long)values[1]);
    return 0;
}
