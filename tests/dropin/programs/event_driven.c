// SPDX-License-Identifier: Apache-2.0
// event_driven RECEIVER SENDER: sleeps in poll(2) until the completion channel's descriptor, non-blocking, is readable;
// then takes the events, arms the queue again and drains it. Must see every frame, whenever it arrives: one after the
// other, and in bursts between any two of these steps.
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>

#include "nic.h"

enum { slots = 256, slot_bytes = 256, bursts = 400, payload_bytes = 64 };

struct world {
    struct nic* nic;
    struct udp_key key;
    /// Frames that may be sent: the receiver adds, the sender takes.
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    uint32_t allowed;
};

static uint32_t burst_size(uint32_t burst) { return 1 + burst * burst % 61; }

static void* send_bursts(void* argument) {
    struct world* const world = argument;
    static struct sender sender;
    open_sender(&sender, world->nic);
    uint32_t number = 0;
    for (uint32_t burst = 0; burst < bursts; ++burst) {
        const uint32_t end = number + burst_size(burst);
        pthread_mutex_lock(&world->mutex);
        while (world->allowed < end) pthread_cond_wait(&world->changed, &world->mutex);
        pthread_mutex_unlock(&world->mutex);
        for (; number < end; ++number) send_frame(&sender, &world->key, number, payload_bytes);
    }
    close_sender(&sender);
    return NULL;
}

static void allow(struct world* world, uint32_t allowed) {
    pthread_mutex_lock(&world->mutex);
    world->allowed = allowed;
    pthread_cond_signal(&world->changed);
    pthread_mutex_unlock(&world->mutex);
}

int main(int argc, char* argv[]) {
    CHECK(argc == 3);
    struct nic receiver = open_nic(argv[1]), sender = open_nic(argv[2]);
    static uint8_t memory[slots][slot_bytes];
    struct ibv_mr* const mr = ibv_reg_mr(receiver.pd, memory, sizeof memory, IBV_ACCESS_LOCAL_WRITE);
    CHECK(mr != NULL);
    struct ibv_comp_channel* const channel = ibv_create_comp_channel(receiver.context);
    CHECK(channel != NULL);
    const int flags = fcntl(channel->fd, F_GETFL);
    CHECK(flags >= 0 && fcntl(channel->fd, F_SETFL, flags | O_NONBLOCK) == 0);
    struct ibv_cq* const cq = make_cq(&receiver, slots, channel);
    struct ibv_qp* const qp = make_raw_qp(&receiver, cq, 0, slots, 1);
    to_ready(qp);
    struct world world = {.nic = &sender,
                          .key = unicast_key(sender.mac, receiver.mac, 7200),
                          .mutex = PTHREAD_MUTEX_INITIALIZER,
                          .changed = PTHREAD_COND_INITIALIZER};
    struct ibv_flow* const flow = make_flow(qp, &world.key);
    struct ibv_sge sges[slots];
    for (uint32_t i = 0; i < slots; ++i) {
        sges[i] = (struct ibv_sge){.addr = (uintptr_t)memory[i], .length = slot_bytes, .lkey = mr->lkey};
        post_recv(qp, i, &sges[i], 1);
    }

    struct ibv_cq* event_cq;
    void* event_context;
    CHECK(ibv_get_cq_event(channel, &event_cq, &event_context) != 0 && errno == EAGAIN);
    CHECK_ZERO(ibv_req_notify_cq(cq, 0));
    uint32_t expected = 0, received = 0, wakes = 0;
    for (uint32_t burst = 0; burst < bursts; ++burst) expected += burst_size(burst);
    pthread_t thread;
    CHECK_ZERO(pthread_create(&thread, NULL, send_bursts, &world));

    unsigned unacknowledged = 0;
    while (received < expected) {
        // Half of the posted packets may be on their way.
        allow(&world, received + slots / 2);
        struct pollfd wait = {.fd = channel->fd, .events = POLLIN};
        CHECK(poll(&wait, 1, patience_seconds * 1000) == 1);
        ++wakes;
        while (ibv_get_cq_event(channel, &event_cq, &event_context) == 0) {
            CHECK(event_cq == cq);
            ++unacknowledged;
        }
        CHECK_ZERO(ibv_req_notify_cq(cq, 0));
        struct ibv_wc wcs[7];
        for (int polled; (polled = ibv_poll_cq(cq, 7, wcs)) != 0;) {
            CHECK(polled > 0);
            for (int i = 0; i < polled; ++i, ++received) {
                CHECK(wcs[i].status == IBV_WC_SUCCESS);
                check_frame(memory[wcs[i].wr_id], wcs[i].byte_len, &world.key, received, payload_bytes);
                post_recv(qp, wcs[i].wr_id, &sges[wcs[i].wr_id], 1);
            }
        }
        if (unacknowledged > 16) {
            ibv_ack_cq_events(cq, unacknowledged);
            unacknowledged = 0;
        }
    }
    CHECK_ZERO(pthread_join(thread, NULL));
    // An event may be left from the last frames, or without any.
    while (ibv_get_cq_event(channel, &event_cq, &event_context) == 0) ++unacknowledged;
    ibv_ack_cq_events(cq, unacknowledged);
    expect_no_completion(cq);

    CHECK_ZERO(ibv_destroy_flow(flow));
    CHECK_ZERO(ibv_destroy_qp(qp));
    CHECK_ZERO(ibv_destroy_cq(cq));
    CHECK_ZERO(ibv_destroy_comp_channel(channel));
    CHECK_ZERO(ibv_dereg_mr(mr));
    close_nic(&sender);
    close_nic(&receiver);
    printf("%u frames, woken up %u times\n", received, wakes);
    return 0;
}
