// SPDX-License-Identifier: Apache-2.0
// two_channels ONE OTHER: sends and receives at once, with a completion channel for each. Sleeps in select(2) until one
// of their descriptors is readable, and then calls a blocking ibv_get_cq_event for it: hangs if there is no event.
#include <pthread.h>
#include <sys/select.h>
#include <unistd.h>

#include "nic.h"

enum { slots = 256, slot_bytes = 256, frames = 2000, payload_bytes = 64 };

struct peer {
    struct nic* nic;
    struct udp_key key;
    /// Frames that may be sent: the receiver adds, the sender takes.
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    uint32_t allowed;
};

static void* send_frames(void* argument) {
    struct peer* const peer = argument;
    static struct sender sender;
    open_sender(&sender, peer->nic);
    for (uint32_t number = 0; number < frames; ++number) {
        pthread_mutex_lock(&peer->mutex);
        while (peer->allowed <= number) pthread_cond_wait(&peer->changed, &peer->mutex);
        pthread_mutex_unlock(&peer->mutex);
        send_frame(&sender, &peer->key, number, payload_bytes);
    }
    close_sender(&sender);
    return NULL;
}

static void allow(struct peer* peer, uint32_t allowed) {
    pthread_mutex_lock(&peer->mutex);
    peer->allowed = allowed;
    pthread_cond_signal(&peer->changed);
    pthread_mutex_unlock(&peer->mutex);
}

/// Takes one event, which must be for that queue, and arms the queue again.
static void take_event(struct ibv_comp_channel* channel, struct ibv_cq* cq) {
    struct ibv_cq* event_cq;
    void* event_context;
    CHECK_ZERO(ibv_get_cq_event(channel, &event_cq, &event_context));
    CHECK(event_cq == cq);
    ibv_ack_cq_events(cq, 1);
    CHECK_ZERO(ibv_req_notify_cq(cq, 0));
}

int main(int argc, char* argv[]) {
    CHECK(argc == 3);
    alarm(60);
    struct nic nic = open_nic(argv[1]), other = open_nic(argv[2]);
    static uint8_t memory[slots][slot_bytes];
    static uint8_t sent_frame[frame_max_bytes];
    struct ibv_mr* const mr = ibv_reg_mr(nic.pd, memory, sizeof memory, IBV_ACCESS_LOCAL_WRITE);
    struct ibv_mr* const sent_mr = ibv_reg_mr(nic.pd, sent_frame, sizeof sent_frame, 0);
    CHECK(mr != NULL && sent_mr != NULL);
    struct ibv_comp_channel* const recv_channel = ibv_create_comp_channel(nic.context);
    struct ibv_comp_channel* const send_channel = ibv_create_comp_channel(nic.context);
    CHECK(recv_channel != NULL && send_channel != NULL);
    struct ibv_cq* const recv_cq = make_cq(&nic, slots, recv_channel);
    struct ibv_cq* const send_cq = make_cq(&nic, 4, send_channel);
    // Armed before the first completion.
    CHECK_ZERO(ibv_req_notify_cq(recv_cq, 0));
    CHECK_ZERO(ibv_req_notify_cq(send_cq, 0));
    struct ibv_qp_init_attr attr = {
        .send_cq = send_cq,
        .recv_cq = recv_cq,
        .cap = {.max_send_wr = 4, .max_recv_wr = slots, .max_send_sge = 1, .max_recv_sge = 1},
        .qp_type = IBV_QPT_RAW_PACKET};
    struct ibv_qp* const qp = ibv_create_qp(nic.pd, &attr);
    CHECK(qp != NULL);
    to_ready(qp);
    struct peer peer = {.nic = &other,
                        .key = unicast_key(other.mac, nic.mac, 7200),
                        .mutex = PTHREAD_MUTEX_INITIALIZER,
                        .changed = PTHREAD_COND_INITIALIZER};
    struct ibv_flow* const flow = make_flow(qp, &peer.key);
    struct ibv_sge sges[slots];
    for (uint32_t i = 0; i < slots; ++i) {
        sges[i] = (struct ibv_sge){.addr = (uintptr_t)memory[i], .length = slot_bytes, .lkey = mr->lkey};
        post_recv(qp, i, &sges[i], 1);
    }
    const struct udp_key back = unicast_key(nic.mac, other.mac, 7201);
    struct ibv_sge sge = {.addr = (uintptr_t)sent_frame,
                          .length = (uint32_t)build_frame(sent_frame, &back, 0, payload_bytes),
                          .lkey = sent_mr->lkey};
    pthread_t thread;
    CHECK_ZERO(pthread_create(&thread, NULL, send_frames, &peer));

    uint32_t received = 0, sent = 0, posted = 0;
    while (received < frames || sent < frames) {
        allow(&peer, received + slots / 2);
        if (posted == sent && posted < frames) {
            struct ibv_send_wr wr = {.wr_id = posted++,
                                     .sg_list = &sge,
                                     .num_sge = 1,
                                     .opcode = IBV_WR_SEND,
                                     .send_flags = IBV_SEND_SIGNALED};
            struct ibv_send_wr* bad = NULL;
            CHECK_ZERO(ibv_post_send(qp, &wr, &bad));
        }
        fd_set readable;
        FD_ZERO(&readable);
        FD_SET(recv_channel->fd, &readable);
        FD_SET(send_channel->fd, &readable);
        const int most = recv_channel->fd > send_channel->fd ? recv_channel->fd : send_channel->fd;
        CHECK(select(most + 1, &readable, NULL, NULL, NULL) > 0);
        struct ibv_wc wc;
        if (FD_ISSET(send_channel->fd, &readable)) {
            take_event(send_channel, send_cq);
            for (; ibv_poll_cq(send_cq, 1, &wc) == 1; ++sent) CHECK(wc.status == IBV_WC_SUCCESS);
        }
        if (FD_ISSET(recv_channel->fd, &readable)) {
            take_event(recv_channel, recv_cq);
            for (; ibv_poll_cq(recv_cq, 1, &wc) == 1; ++received) {
                CHECK(wc.status == IBV_WC_SUCCESS);
                check_frame(memory[wc.wr_id], wc.byte_len, &peer.key, received, payload_bytes);
                post_recv(qp, wc.wr_id, &sges[wc.wr_id], 1);
            }
        }
    }
    CHECK_ZERO(pthread_join(thread, NULL));

    CHECK_ZERO(ibv_destroy_flow(flow));
    CHECK_ZERO(ibv_destroy_qp(qp));
    CHECK_ZERO(ibv_destroy_cq(recv_cq));
    CHECK_ZERO(ibv_destroy_cq(send_cq));
    CHECK_ZERO(ibv_destroy_comp_channel(recv_channel));
    CHECK_ZERO(ibv_destroy_comp_channel(send_channel));
    CHECK_ZERO(ibv_dereg_mr(sent_mr));
    CHECK_ZERO(ibv_dereg_mr(mr));
    close_nic(&other);
    close_nic(&nic);
    printf("%u frames received, %u sent\n", received, sent);
    return 0;
}
