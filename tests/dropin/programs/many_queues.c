// SPDX-License-Identifier: Apache-2.0
// many_queues RECEIVER SENDER: a stream per UDP port, a queue pair per stream, all completion queues on one channel.
// Each stream must arrive complete, in order, at its own queue pair.
#include <poll.h>

#include "nic.h"

enum { streams = 12, slots = 64, slot_bytes = 512, frames = 1536, window = slots / 2 };

struct stream {
    struct ibv_cq* cq;
    struct ibv_qp* qp;
    struct ibv_mr* mr;
    struct ibv_flow* flow;
    struct udp_key key;
    uint32_t sent;
    uint32_t received;
    uint8_t memory[slots][slot_bytes];
};

static void post_slot(struct stream* stream, uint64_t slot) {
    struct ibv_sge sge = {.addr = (uintptr_t)stream->memory[slot], .length = slot_bytes, .lkey = stream->mr->lkey};
    post_recv(stream->qp, slot, &sge, 1);
}

static size_t payload_bytes(uint32_t number) { return 18 + number % 400; }

static void open_stream(struct stream* stream, struct nic* nic, struct ibv_comp_channel* channel,
                        const struct udp_key* key) {
    stream->key = *key;
    CHECK(stream->cq = ibv_create_cq(nic->context, slots, stream, channel, 0));
    CHECK(stream->mr = ibv_reg_mr(nic->pd, stream->memory, sizeof stream->memory, IBV_ACCESS_LOCAL_WRITE));
    stream->qp = make_raw_qp(nic, stream->cq, 0, slots, 1);
    to_ready(stream->qp);
    stream->flow = make_flow(stream->qp, key);
    for (uint64_t i = 0; i < slots; ++i) post_slot(stream, i);
    CHECK_ZERO(ibv_req_notify_cq(stream->cq, 0));
}

static void drain(struct stream* stream) {
    struct ibv_wc wcs[16];
    for (int polled; (polled = ibv_poll_cq(stream->cq, 16, wcs)) != 0;) {
        CHECK(polled > 0);
        for (int i = 0; i < polled; ++i, ++stream->received) {
            CHECK(wcs[i].status == IBV_WC_SUCCESS);
            CHECK(wcs[i].qp_num == stream->qp->qp_num);
            check_frame(stream->memory[wcs[i].wr_id], wcs[i].byte_len, &stream->key, stream->received,
                        payload_bytes(stream->received));
            post_slot(stream, wcs[i].wr_id);
        }
    }
}

static void close_stream(struct stream* stream) {
    CHECK_ZERO(ibv_destroy_flow(stream->flow));
    CHECK_ZERO(ibv_destroy_qp(stream->qp));
    CHECK_ZERO(ibv_destroy_cq(stream->cq));
    CHECK_ZERO(ibv_dereg_mr(stream->mr));
}

int main(int argc, char* argv[]) {
    CHECK(argc == 3);
    struct nic receiver = open_nic(argv[1]), sender = open_nic(argv[2]);
    struct ibv_comp_channel* const channel = ibv_create_comp_channel(receiver.context);
    CHECK(channel != NULL);
    static struct stream all[streams];
    for (int i = 0; i < streams; ++i) {
        // Half of the streams go by unicast, half to a group.
        const uint16_t port = (uint16_t)(7300 + i);
        const struct udp_key key = i % 2 ? group_key(sender.mac, port) : unicast_key(sender.mac, receiver.mac, port);
        open_stream(&all[i], &receiver, channel, &key);
    }
    static struct sender out;
    open_sender(&out, &sender);

    uint32_t seed = 1, total = 0;
    while (total < streams * frames) {
        // Any order of streams; none gets more frames than it has room for.
        for (int i = 0; i < 4 * streams; ++i) {
            seed = seed * 1664525 + 1013904223;
            struct stream* const stream = &all[(seed >> 16) % streams];
            if (stream->sent == frames || stream->sent - stream->received == window) continue;
            send_frame(&out, &stream->key, stream->sent, payload_bytes(stream->sent));
            ++stream->sent;
        }
        uint32_t under_way = 0;
        for (int i = 0; i < streams; ++i) under_way += all[i].sent - all[i].received;
        if (under_way == 0) continue;

        struct pollfd wait = {.fd = channel->fd, .events = POLLIN};
        CHECK(poll(&wait, 1, patience_seconds * 1000) == 1);
        struct ibv_cq* cq;
        void* context;
        CHECK(ibv_get_cq_event(channel, &cq, &context) == 0);
        struct stream* const stream = context;
        CHECK(cq == stream->cq);
        ibv_ack_cq_events(cq, 1);
        CHECK_ZERO(ibv_req_notify_cq(cq, 0));
        const uint32_t before = stream->received;
        drain(stream);
        total += stream->received - before;
    }
    for (int i = 0; i < streams; ++i) {
        CHECK_EQUAL(all[i].received, frames);
        close_stream(&all[i]);
    }
    close_sender(&out);
    CHECK_ZERO(ibv_destroy_comp_channel(channel));
    close_nic(&sender);
    close_nic(&receiver);
    printf("%d streams of %d frames\n", streams, frames);
    return 0;
}
