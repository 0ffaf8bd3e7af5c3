// SPDX-License-Identifier: Apache-2.0
// find_by_addr RECEIVER SENDER: finds devices by IP address, with rdma_bind_addr, like spead2. The context belongs to
// the rdma_cm_id, and is closed by librdmacm.
#include <arpa/inet.h>
#include <rdma/rdma_cma.h>

#include "exchange.h"

struct bound {
    struct rdma_cm_id* id;
    struct nic nic;
};

static struct bound bind_to(struct rdma_event_channel* channel, const char* address) {
    struct sockaddr_in in = {.sin_family = AF_INET};
    CHECK(inet_pton(AF_INET, address, &in.sin_addr) == 1);
    struct bound bound = {0};
    CHECK(rdma_create_id(channel, &bound.id, NULL, RDMA_PS_UDP) == 0);
    CHECK(rdma_bind_addr(bound.id, (struct sockaddr*)&in) == 0);
    CHECK(bound.id->verbs != NULL);
    CHECK(bound.id->port_num == 1);
    bound.nic = make_nic(bound.id->verbs);
    return bound;
}

int main(int argc, char* argv[]) {
    CHECK(argc == 3);
    struct rdma_event_channel* const channel = rdma_create_event_channel();
    CHECK(channel != NULL);
    struct bound receiver = bind_to(channel, argv[1]), sender = bind_to(channel, argv[2]);
    CHECK(receiver.nic.context != sender.nic.context);
    exchange(&receiver.nic, &sender.nic);
    // Devices stay open without their ids: objects made from them can still be used.
    CHECK(rdma_destroy_id(sender.id) == 0);
    CHECK(rdma_destroy_id(receiver.id) == 0);
    exchange(&receiver.nic, &sender.nic);
    CHECK_ZERO(ibv_dealloc_pd(sender.nic.pd));
    CHECK_ZERO(ibv_dealloc_pd(receiver.nic.pd));

    // No interface has an address reserved for documentation (RFC 5737).
    struct rdma_cm_id* id;
    CHECK(rdma_create_id(channel, &id, NULL, RDMA_PS_UDP) == 0);
    struct sockaddr_in nowhere = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(0xc0000201)};
    CHECK(rdma_bind_addr(id, (struct sockaddr*)&nowhere) != 0 && errno != 0);
    CHECK(rdma_destroy_id(id) == 0);
    rdma_destroy_event_channel(channel);
    return 0;
}
