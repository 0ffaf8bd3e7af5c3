// SPDX-License-Identifier: Apache-2.0
// other_release DEVICE: acts like a program compiled with another release's rdma-core headers: inline verbs beyond the
// end of this device's context, structures that are longer or shorter than here, bits that don't exist yet. All must be
// refused or ignored as between any two releases.
#include <stddef.h>

#include "nic.h"

// The context grows at its beginning (verbs.h: "struct verbs_context"), and `sz` is its size.
struct newer_verbs_context {
    int (*newest_verb)(struct ibv_context* context);
    void* room[63];
    struct verbs_context known;
};

static int newest_verb(struct ibv_context* context) {
    struct verbs_context* const known = verbs_get_ctx(context);
    if (!known) return EOPNOTSUPP;
    struct newer_verbs_context* const newer =
        (struct newer_verbs_context*)(void*)((char*)known - offsetof(struct newer_verbs_context, known));
    if (known->sz < sizeof *newer || !newer->newest_verb) return EOPNOTSUPP;
    return newer->newest_verb(context);
}

static bool is_all(const uint8_t* bytes, size_t count, uint8_t value) {
    for (size_t i = 0; i < count; ++i)
        if (bytes[i] != value) return false;
    return true;
}

static void query_other_sizes(struct ibv_context* context) {
    struct verbs_context* const verbs = verbs_get_ctx(context);
    CHECK(verbs != NULL);

    struct ibv_port_attr port;
    memset(&port, 0xa5, sizeof port);
    CHECK_ZERO(ibv_query_port(context, 1, &port));
    union {
        struct ibv_port_attr attr;
        uint8_t bytes[sizeof(struct ibv_port_attr) + 64];
    } longer;
    memset(&longer, 0xa5, sizeof longer);
    CHECK_ZERO(verbs->query_port(context, 1, &longer.attr, sizeof longer));
    CHECK(longer.attr.state == port.state && longer.attr.link_layer == port.link_layer);
    CHECK(is_all(longer.bytes + sizeof port, sizeof longer - sizeof port, 0));
    // With its length before port_cap_flags2; through the table, and through the function without a length.
    const size_t old_bytes = offsetof(struct ibv_port_attr, port_cap_flags2);
    memset(&longer, 0xa5, sizeof longer);
    CHECK_ZERO(verbs->query_port(context, 1, &longer.attr, old_bytes));
    CHECK(longer.attr.link_layer == port.link_layer);
    CHECK(is_all(longer.bytes + old_bytes, sizeof longer - old_bytes, 0xa5));
    memset(&longer, 0xa5, sizeof longer);
    CHECK_ZERO((ibv_query_port)(context, 1, (struct _compat_ibv_port_attr*)&longer));
    CHECK(longer.attr.link_layer == port.link_layer);
    CHECK(is_all(longer.bytes + old_bytes, sizeof longer - old_bytes, 0xa5));

    union {
        struct ibv_device_attr_ex attr;
        uint8_t bytes[sizeof(struct ibv_device_attr_ex) + 256];
    } device;
    memset(&device, 0xa5, sizeof device);
    CHECK_ZERO(verbs->query_device_ex(context, NULL, &device.attr, sizeof device));
    CHECK(device.attr.orig_attr.phys_port_cnt == 1);
    CHECK(is_all(device.bytes + sizeof device.attr, sizeof device - sizeof device.attr, 0));
    const size_t first_bytes = offsetof(struct ibv_device_attr_ex, completion_timestamp_mask);
    memset(&device, 0xa5, sizeof device);
    CHECK_ZERO(verbs->query_device_ex(context, NULL, &device.attr, first_bytes));
    CHECK(device.attr.orig_attr.phys_port_cnt == 1);
    CHECK(is_all(device.bytes + first_bytes, sizeof device - first_bytes, 0xa5));
    struct ibv_query_device_ex_input input = {.comp_mask = 1u << 31};
    CHECK(ibv_query_device_ex(context, &input, &device.attr) != 0);
}

static void refuse(const char* what, const void* result, int error) {
    if (!result && (error == EINVAL || error == EOPNOTSUPP)) return;
    fprintf(stderr, "%s: %s\n", what, result ? "was made" : strerror(error));
    exit(1);
}

int main(int argc, char* argv[]) {
    CHECK(argc == 2);
    struct nic nic = open_nic(argv[1]);
    CHECK(newest_verb(nic.context) == EOPNOTSUPP);
    query_other_sizes(nic.context);

    struct ibv_cq_init_attr_ex unknown_mask = {.cqe = 4, .comp_mask = 1u << 30};
    const void* made = ibv_create_cq_ex(nic.context, &unknown_mask);
    refuse("a completion queue with an unknown attribute", made, errno);
    struct ibv_cq_init_attr_ex unknown_field = {.cqe = 4, .wc_flags = UINT64_C(1) << 40};
    made = ibv_create_cq_ex(nic.context, &unknown_field);
    refuse("a completion queue with an unknown field", made, errno);

    struct ibv_cq* const cq = make_cq(&nic, 4, NULL);
    struct ibv_qp_init_attr_ex init = {.send_cq = cq,
                                       .recv_cq = cq,
                                       .cap = {.max_send_wr = 1, .max_send_sge = 1},
                                       .qp_type = IBV_QPT_RAW_PACKET,
                                       .comp_mask = IBV_QP_INIT_ATTR_PD | 1u << 30,
                                       .pd = nic.pd};
    made = ibv_create_qp_ex(nic.context, &init);
    refuse("a queue pair with an unknown attribute", made, errno);
    init.comp_mask = IBV_QP_INIT_ATTR_PD | IBV_QP_INIT_ATTR_SEND_OPS_FLAGS;
    init.send_ops_flags = IBV_QP_EX_WITH_SEND | UINT64_C(1) << 40;
    made = ibv_create_qp_ex(nic.context, &init);
    refuse("a queue pair with an unknown operation", made, errno);
    init.comp_mask = IBV_QP_INIT_ATTR_PD;
    init.qp_type = 0x77;
    made = ibv_create_qp_ex(nic.context, &init);
    refuse("a queue pair of an unknown type", made, errno);

    struct ibv_qp* const qp = make_raw_qp(&nic, cq, 1, 1, 1);
    struct ibv_qp_attr attr = {.qp_state = IBV_QPS_INIT, .port_num = 1};
    CHECK(ibv_modify_qp(qp, &attr, IBV_QP_STATE | IBV_QP_PORT | 1 << 30) != 0);
    to_ready(qp);
    const struct udp_key key = unicast_key(nic.mac, nic.mac, 7000);
    struct udp_flow flow = describe_flow(&key);
    flow.udp.type = 0x77;
    made = ibv_create_flow(qp, &flow.attr);
    refuse("a flow with an unknown specification", made, errno);
    flow = describe_flow(&key);
    flow.attr.type = 0x77;
    made = ibv_create_flow(qp, &flow.attr);
    refuse("a flow of an unknown type", made, errno);

    // Optional access flags are for the provider to take or leave (ibv_reg_mr(3)).
    static uint8_t memory[4096];
    struct ibv_mr* const mr = ibv_reg_mr(nic.pd, memory, sizeof memory, IBV_ACCESS_LOCAL_WRITE | 1 << 29);
    CHECK(mr != NULL);
    CHECK_ZERO(ibv_dereg_mr(mr));

    CHECK_ZERO(ibv_destroy_qp(qp));
    CHECK_ZERO(ibv_destroy_cq(cq));
    close_nic(&nic);
    printf("refused, ignored, left alone\n");
    return 0;
}
