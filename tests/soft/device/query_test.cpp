// SPDX-License-Identifier: Apache-2.0
// Queries of a soft device, by the provider's table and by the inline functions of verbs.h.
#include <gtest/gtest.h>

#include <cerrno>
#include <cstring>

#include <pktverbs/address/ipv6_address.hpp>

#include "verbs_end.hpp"
#include "wire_device.hpp"

namespace pktverbs::testing {
namespace {

constexpr MacAddress::Bytes mac_bytes{0x02, 0x00, 0x5e, 0x10, 0x00, 0x01};
/// RFC 4291, appendix A: the bit for "universal" is flipped, ff:fe comes in between.
constexpr std::uint8_t eui64[] = {0x00, 0x00, 0x5e, 0xff, 0xfe, 0x10, 0x00, 0x01};

EndOptions with_mac() { return {.wire = "mtu=1500&mac=" + MacAddress{mac_bytes}.to_string()}; }

TEST(QueryDevice, GivesTheLimitsThatHold) {
    VerbsEnd end;
    ibv_device_attr attr;
    ASSERT_EQ(end.verbs.query_device(end.context.get(), &attr), 0);
    EXPECT_EQ(attr.phys_port_cnt, 1);
    EXPECT_EQ(attr.max_qp, 1024);
    EXPECT_EQ(attr.max_qp_wr, 32768);
    EXPECT_EQ(attr.max_sge, 16);
    EXPECT_EQ(attr.max_cqe, 1 << 20);
    EXPECT_EQ(attr.max_mr, 1024);
    EXPECT_EQ(attr.max_srq, 0);
    EXPECT_TRUE(attr.device_cap_flags & IBV_DEVICE_MANAGED_FLOW_STEERING);
    EXPECT_TRUE(attr.device_cap_flags & IBV_DEVICE_RAW_IP_CSUM);
    EXPECT_FALSE(attr.device_cap_flags & IBV_DEVICE_UD_IP_CSUM);
    EXPECT_STREQ(attr.fw_ver, "soft");
    EXPECT_EQ(attr.vendor_id, 0x02706bU);
    EXPECT_EQ(attr.atomic_cap, IBV_ATOMIC_NONE);
}

TEST(QueryDevice, GivesTheGuidOfItsMac) {
    VerbsEnd end{with_mac()};
    ibv_device_attr attr;
    ASSERT_EQ(end.verbs.query_device(end.context.get(), &attr), 0);
    EXPECT_EQ(std::memcmp(&attr.node_guid, eui64, sizeof eui64), 0);
    EXPECT_EQ(attr.sys_image_guid, attr.node_guid);
}

TEST(QueryDeviceEx, SaysThatTimestampsAreNanoseconds) {
    VerbsEnd end;
    ibv_device_attr_ex attr;
    ASSERT_EQ(ibv_query_device_ex(end.context.get(), nullptr, &attr), 0);
    EXPECT_EQ(attr.completion_timestamp_mask, UINT64_MAX);
    EXPECT_EQ(attr.hca_core_clock, 1'000'000U);
    EXPECT_EQ(attr.orig_attr.max_qp, 1024);
    EXPECT_EQ(attr.phys_port_cnt_ex, 1U);
}

TEST(QueryDeviceEx, RefusesAnInputItDoesNotKnow) {
    VerbsEnd end;
    ibv_query_device_ex_input input{.comp_mask = 1};
    ibv_device_attr_ex attr;
    EXPECT_EQ(ibv_query_device_ex(end.context.get(), &input, &attr), EINVAL);
    EXPECT_EQ(end.verbs.query_device_ex(end.context.get(), &input, &attr), EINVAL);
}

TEST(QueryDeviceEx, WritesNoMoreThanTheCallersStructure) {
    VerbsEnd end;
    ibv_device_attr_ex attr;
    std::memset(&attr, 0x5a, sizeof attr);
    const std::size_t size = offsetof(ibv_device_attr_ex, odp_caps);
    ASSERT_EQ(verbs_get_ctx(end.context.get())->query_device_ex(end.context.get(), nullptr, &attr, size), 0);
    EXPECT_EQ(attr.orig_attr.max_qp, 1024);
    EXPECT_EQ(reinterpret_cast<const std::uint8_t*>(&attr)[size], 0x5a);
}

/// Memory for a structure and for a newer header's additional members, filled with a pattern.
template <class Structure>
struct Newer {
    union {
        Structure known;
        std::uint8_t bytes[sizeof(Structure) + 64];
    };
    Newer() { std::memset(bytes, 0x5a, sizeof bytes); }
};

/// Zeros up to the caller's size, and nothing written after that.
template <class Structure>
void expect_zeros_behind(const Newer<Structure>& newer, std::size_t size) {
    for (std::size_t i = sizeof(Structure); i < sizeof newer.bytes; ++i)
        ASSERT_EQ(newer.bytes[i], i < size ? 0 : 0x5a) << "byte " << i;
}

TEST(QueryDeviceEx, FillsALargerStructureWithZeros) {
    VerbsEnd end;
    Newer<ibv_device_attr_ex> attr;
    const std::size_t size = sizeof(ibv_device_attr_ex) + 40;
    ASSERT_EQ(verbs_get_ctx(end.context.get())->query_device_ex(end.context.get(), nullptr, &attr.known, size), 0);
    EXPECT_EQ(attr.known.orig_attr.max_qp, 1024);
    EXPECT_EQ(attr.known.phys_port_cnt_ex, 1U);
    expect_zeros_behind(attr, size);
}

TEST(QueryDeviceEx, SaysWhichOffloadsItHas) {
    VerbsEnd end;
    ibv_device_attr_ex attr;
    std::memset(&attr, 0x5a, sizeof attr);
    ASSERT_EQ(end.verbs.query_device_ex(end.context.get(), nullptr, &attr), 0);
    EXPECT_EQ(attr.raw_packet_caps, static_cast<unsigned>(IBV_RAW_PACKET_CAP_CVLAN_STRIPPING |
                                                          IBV_RAW_PACKET_CAP_SCATTER_FCS | IBV_RAW_PACKET_CAP_IP_CSUM));
    EXPECT_EQ(attr.tso_caps.max_tso, 262144U);
    EXPECT_EQ(attr.tso_caps.supported_qpts, 1U << IBV_QPT_RAW_PACKET);
    EXPECT_EQ(attr.packet_pacing_caps.qp_rate_limit_max, 0U);
    EXPECT_EQ(attr.cq_mod_caps.max_cq_count, 0U);
    EXPECT_EQ(attr.odp_caps.general_caps, 0U);
    EXPECT_EQ(attr.max_dm_size, 0U);
    EXPECT_EQ(attr.device_cap_flags_ex, attr.orig_attr.device_cap_flags | IBV_DEVICE_RAW_SCATTER_FCS);
}

TEST(QueryDeviceEx, SaysThatThereAreNoRateLimitsAndThereAreNone) {
    VerbsEnd end;
    ibv_device_attr_ex attr;
    ASSERT_EQ(end.verbs.query_device_ex(end.context.get(), nullptr, &attr), 0);
    EXPECT_EQ(attr.packet_pacing_caps.supported_qpts, 0U);
    ibv_qp_attr limit{};
    limit.rate_limit = 1000;
    limit.qp_state = IBV_QPS_RTS;
    EXPECT_EQ(end.verbs.modify_qp(end.qp.get(), &limit, IBV_QP_STATE | IBV_QP_RATE_LIMIT), EINVAL);
    ibv_qp_rate_limit_attr paced{.rate_limit = 1000, .max_burst_sz = 0, .typical_pkt_sz = 0, .comp_mask = 0};
    EXPECT_EQ(ibv_modify_qp_rate_limit(end.qp.get(), &paced), EOPNOTSUPP);
}

TEST(Device, IsOfTheTransportThatRawPacketProgramsLookFor) {
    const verbs::Device device = testing::wire_device("w");
    EXPECT_EQ(device.handle->transport_type, IBV_TRANSPORT_IB);
    EXPECT_EQ(device.handle->node_type, IBV_NODE_CA);
}

TEST(QueryRtValues, GivesTheClockOfTimestamps) {
    VerbsEnd end;
    WireTap tap{"w"};
    ibv_cq_init_attr_ex init{};
    init.cqe = 4;
    init.wc_flags = IBV_WC_EX_WITH_COMPLETION_TIMESTAMP;
    ibv_cq_ex* const cq = ibv_create_cq_ex(end.context.get(), &init);
    const verbs::CqHandle owned{ibv_cq_ex_to_cq(cq), {&end.verbs}};
    ibv_qp_init_attr made{};
    made.send_cq = made.recv_cq = owned.get();
    made.cap = {4, 4, 1, 1, 0};
    made.qp_type = IBV_QPT_RAW_PACKET;
    const verbs::QpHandle qp{end.verbs.create_qp(end.pd.get(), &made), {&end.verbs}};
    bring_to(qp.get(), IBV_QPS_RTS);

    ibv_values_ex before{};
    before.comp_mask = IBV_VALUES_MASK_RAW_CLOCK;
    ibv_values_ex after = before;
    ASSERT_EQ(ibv_query_rt_values_ex(end.context.get(), &before), 0);
    ASSERT_EQ(end.post_send(1, {end.sge(0, 60)}, IBV_SEND_SIGNALED, qp.get()), 0);
    ASSERT_EQ(ibv_query_rt_values_ex(end.context.get(), &after), 0);
    EXPECT_EQ(before.comp_mask, std::uint32_t{IBV_VALUES_MASK_RAW_CLOCK});
    EXPECT_EQ(before.raw_clock.tv_sec, 0);
    ibv_poll_cq_attr poll{};
    ASSERT_EQ(ibv_start_poll(cq, &poll), 0);
    const auto stamp = static_cast<long>(ibv_wc_read_completion_ts(cq));
    ibv_end_poll(cq);
    EXPECT_LE(before.raw_clock.tv_nsec, stamp);
    EXPECT_LE(stamp, after.raw_clock.tv_nsec);
}

TEST(QueryRtValues, RefusesWhatItDoesNotKnow) {
    VerbsEnd end;
    ibv_values_ex values{};
    values.comp_mask = IBV_VALUES_MASK_RESERVED;
    EXPECT_EQ(ibv_query_rt_values_ex(end.context.get(), &values), EINVAL);
}

TEST(QueryPort, FillsALargerStructureWithZeros) {
    VerbsEnd end;
    Newer<ibv_port_attr> attr;
    const std::size_t size = sizeof(ibv_port_attr) + 8;
    ASSERT_EQ(verbs_get_ctx(end.context.get())->query_port(end.context.get(), 1, &attr.known, size), 0);
    EXPECT_EQ(attr.known.state, IBV_PORT_ACTIVE);
    expect_zeros_behind(attr, size);
}

TEST(QueryPort, WritesNoMoreThanTheCallersStructure) {
    VerbsEnd end;
    ibv_port_attr attr;
    std::memset(&attr, 0x5a, sizeof attr);
    const std::size_t size = offsetof(ibv_port_attr, link_layer);
    ASSERT_EQ(verbs_get_ctx(end.context.get())->query_port(end.context.get(), 1, &attr, size), 0);
    EXPECT_EQ(attr.state, IBV_PORT_ACTIVE);
    EXPECT_EQ(reinterpret_cast<const std::uint8_t*>(&attr)[size], 0x5a);
}

TEST(QueryPort, SaysThatItsGidsAreIpAddresses) {
    VerbsEnd end;
    ibv_port_attr attr;
    ASSERT_EQ(ibv_query_port(end.context.get(), 1, &attr), 0);
    EXPECT_EQ(attr.port_cap_flags, std::uint32_t{IBV_PORT_CM_SUP | IBV_PORT_IP_BASED_GIDS});
    EXPECT_EQ(attr.flags, IBV_QPF_GRH_REQUIRED);
}

TEST(QueryPort, IsAnActiveEthernetPort) {
    VerbsEnd end{with_mac()};
    ibv_port_attr attr;
    ASSERT_EQ(ibv_query_port(end.context.get(), 1, &attr), 0);
    EXPECT_EQ(attr.state, IBV_PORT_ACTIVE);
    EXPECT_EQ(attr.link_layer, IBV_LINK_LAYER_ETHERNET);
    EXPECT_EQ(attr.active_mtu, IBV_MTU_1024);
    EXPECT_EQ(attr.max_msg_sz, 1522U);
    EXPECT_EQ(attr.gid_tbl_len, 32);
    EXPECT_EQ(attr.pkey_tbl_len, 1);
    EXPECT_EQ(attr.phys_state, 5);
}

TEST(QueryPort, SaysTheMtuClassOfJumboFrames) {
    VerbsEnd end;
    ibv_port_attr attr;
    ASSERT_EQ(end.verbs.query_port(end.context.get(), 1, &attr), 0);
    EXPECT_EQ(attr.active_mtu, IBV_MTU_4096);
}

TEST(QueryPort, RefusesOtherPorts) {
    VerbsEnd end;
    ibv_port_attr attr;
    for (const std::uint8_t port : std::initializer_list<std::uint8_t>{0, 2, 255}) {
        EXPECT_EQ(ibv_query_port(end.context.get(), port, &attr), EINVAL);
        EXPECT_EQ(end.verbs.query_port(end.context.get(), port, &attr), EINVAL);
    }
}

TEST(QueryGid, IsTheLinkLocalAddressOfItsMac) {
    VerbsEnd end{with_mac()};
    ibv_gid gid;
    ASSERT_EQ(end.verbs.query_gid(end.context.get(), 1, 0, &gid), 0);
    const std::uint8_t prefix[8] = {0xfe, 0x80};
    EXPECT_EQ(std::memcmp(gid.raw, prefix, 8), 0);
    EXPECT_EQ(std::memcmp(gid.raw + 8, eui64, 8), 0);
}

TEST(QueryGid, DiffersBetweenOpens) {
    VerbsEnd one;
    VerbsEnd other;
    ibv_gid gids[2];
    ASSERT_EQ(one.verbs.query_gid(one.context.get(), 1, 0, &gids[0]), 0);
    ASSERT_EQ(one.verbs.query_gid(other.context.get(), 1, 0, &gids[1]), 0);
    EXPECT_NE(std::memcmp(&gids[0], &gids[1], sizeof(ibv_gid)), 0);
}

TEST(QueryQp, GivesBackHowItWasMade) {
    VerbsEnd end{{.send_depth = 5, .signal_all = true}};
    ibv_qp_attr attr;
    ibv_qp_init_attr init;
    ASSERT_EQ(end.verbs.query_qp(end.qp.get(), &attr, IBV_QP_STATE | IBV_QP_CAP, &init), 0);
    EXPECT_EQ(attr.qp_state, IBV_QPS_RTS);
    EXPECT_EQ(attr.port_num, 1);
    EXPECT_EQ(attr.cap.max_send_wr, 8U);
    EXPECT_EQ(init.cap.max_send_wr, 8U);
    EXPECT_EQ(init.qp_type, IBV_QPT_RAW_PACKET);
    EXPECT_EQ(init.send_cq, end.send_cq.get());
    EXPECT_EQ(init.recv_cq, end.recv_cq.get());
    EXPECT_EQ(init.sq_sig_all, 1);
}

// The inline functions of verbs.h look for their operation in our context: absent, or ours that refuses.

#define EXPECT_UNSUPPORTED(pointer)   \
    do {                              \
        errno = 0;                    \
        EXPECT_EQ(pointer, nullptr);  \
        EXPECT_EQ(errno, EOPNOTSUPP); \
    } while (false)

TEST(NotModelled, CanBeCalledAllTheSame) {
    VerbsEnd end;
    ibv_context* const context = end.context.get();
    EXPECT_UNSUPPORTED(ibv_alloc_mw(end.pd.get(), IBV_MW_TYPE_1));
    ibv_xrcd_init_attr xrcd{};
    EXPECT_UNSUPPORTED(ibv_open_xrcd(context, &xrcd));
    ibv_alloc_dm_attr dm{};
    EXPECT_UNSUPPORTED(ibv_alloc_dm(context, &dm));
    EXPECT_UNSUPPORTED(ibv_reg_dm_mr(end.pd.get(), nullptr, 0, 1, 0));
    EXPECT_UNSUPPORTED(ibv_alloc_null_mr(end.pd.get()));
    ibv_flow_action_esp_attr esp{};
    EXPECT_UNSUPPORTED(ibv_create_flow_action_esp(context, &esp));
    ibv_qp_open_attr open{};
    EXPECT_UNSUPPORTED(ibv_open_qp(context, &open));
    ibv_srq_init_attr_ex srq{};
    srq.comp_mask = IBV_SRQ_INIT_ATTR_PD | IBV_SRQ_INIT_ATTR_TYPE;
    srq.srq_type = IBV_SRQT_XRC;
    EXPECT_UNSUPPORTED(ibv_create_srq_ex(context, &srq));
}

TEST(NotModelled, GivesTheErrnoWhereNumbersAreReturned) {
    VerbsEnd end;
    ibv_qp_rate_limit_attr rate{};
    EXPECT_EQ(ibv_modify_qp_rate_limit(end.qp.get(), &rate), EOPNOTSUPP);
    ibv_modify_cq_attr moderation{};
    EXPECT_EQ(ibv_modify_cq(end.recv_cq.get(), &moderation), EOPNOTSUPP);
    EXPECT_EQ(ibv_advise_mr(end.pd.get(), IBV_ADVISE_MR_ADVICE_PREFETCH, 0, nullptr, 0), EOPNOTSUPP);

    ibv_srq srq{};
    srq.context = end.context.get();
    ibv_recv_wr receive{};
    ibv_recv_wr* bad = nullptr;
    EXPECT_EQ(ibv_post_srq_recv(&srq, &receive, &bad), EOPNOTSUPP);
    EXPECT_EQ(bad, &receive);
    ibv_ops_wr op{};
    ibv_ops_wr* bad_op = nullptr;
    EXPECT_EQ(ibv_post_srq_ops(&srq, &op, &bad_op), EOPNOTSUPP);
    EXPECT_EQ(bad_op, &op);
    std::uint32_t number = 0;
    EXPECT_EQ(ibv_get_srq_num(&srq, &number), EOPNOTSUPP);
    ibv_xrcd xrcd{};
    xrcd.context = end.context.get();
    EXPECT_EQ(ibv_close_xrcd(&xrcd), EOPNOTSUPP);
    ibv_dm memory{};
    memory.context = end.context.get();
    EXPECT_EQ(ibv_free_dm(&memory), EOPNOTSUPP);
    ibv_flow_action action{};
    action.context = end.context.get();
    ibv_flow_action_esp_attr esp{};
    EXPECT_EQ(ibv_modify_flow_action_esp(&action, &esp), EOPNOTSUPP);
    EXPECT_EQ(ibv_destroy_flow_action(&action), EOPNOTSUPP);
    ibv_mw window{};
    window.context = end.context.get();
    window.type = IBV_MW_TYPE_1;
    ibv_mw_bind bind{};
    EXPECT_EQ(end.context->ops.bind_mw(end.qp.get(), &window, &bind), EOPNOTSUPP);
    EXPECT_EQ(ibv_dealloc_mw(&window), EOPNOTSUPP);
}

TEST(NotModelled, IsACompletionQueueForTagMatching) {
    VerbsEnd end;
    ibv_cq_init_attr_ex attr{};
    attr.cqe = 16;
    attr.wc_flags = IBV_WC_EX_WITH_TM_INFO;
    EXPECT_UNSUPPORTED(ibv_create_cq_ex(end.context.get(), &attr));
}

TEST(NotModelled, IsACompletionQueueThatMayOverrun) {
    VerbsEnd end;
    ibv_cq_init_attr_ex attr{};
    attr.cqe = 16;
    attr.comp_mask = IBV_CQ_INIT_ATTR_MASK_FLAGS;
    attr.flags = IBV_CREATE_CQ_ATTR_IGNORE_OVERRUN;
    EXPECT_UNSUPPORTED(ibv_create_cq_ex(end.context.get(), &attr));
}

TEST(ExtendedReaders, AreAllThere) {
    VerbsEnd end;
    ibv_cq_init_attr_ex attr{};
    attr.cqe = 16;
    attr.wc_flags = std::uint64_t{IBV_WC_STANDARD_FLAGS} | IBV_WC_EX_WITH_COMPLETION_TIMESTAMP |
                    IBV_WC_EX_WITH_COMPLETION_TIMESTAMP_WALLCLOCK | IBV_WC_EX_WITH_FLOW_TAG;
    ibv_cq_ex* const cq = ibv_create_cq_ex(end.context.get(), &attr);
    ASSERT_NE(cq, nullptr);
    const verbs::CqHandle owned{ibv_cq_ex_to_cq(cq), {&end.verbs}};
    EXPECT_TRUE(cq->start_poll && cq->next_poll && cq->end_poll);
    EXPECT_TRUE(cq->read_opcode && cq->read_vendor_err && cq->read_wc_flags);
    EXPECT_TRUE(cq->read_byte_len && cq->read_imm_data && cq->read_qp_num && cq->read_src_qp);
    EXPECT_TRUE(cq->read_slid && cq->read_sl && cq->read_dlid_path_bits);
    EXPECT_TRUE(cq->read_completion_ts && cq->read_completion_wallclock_ns && cq->read_flow_tag);
}

TEST(Inline, CreatesAndDestroysFlows) {
    VerbsEnd end{{.all_default = false}};
    ibv_flow* const flow =
        to_mac(1).with_block([&](ibv_flow_attr& attr) { return ibv_create_flow(end.qp.get(), &attr); });
    ASSERT_NE(flow, nullptr);
    EXPECT_EQ(flow->context, end.context.get());
    EXPECT_EQ(ibv_destroy_flow(flow), 0);
}

}  // namespace
}  // namespace pktverbs::testing
