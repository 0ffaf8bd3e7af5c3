// SPDX-License-Identifier: Apache-2.0
// Work queues, tables and spreading queue pairs on a VerbsEnd, for tests: handles, and makers with defaults.
#pragma once

#include <array>
#include <bit>
#include <cstdint>
#include <memory>
#include <vector>

#include "verbs_end.hpp"

namespace pktverbs::testing {

struct DestroyWq {
    void operator()(ibv_wq* wq) const { EXPECT_EQ(ibv_destroy_wq(wq), 0); }
};
struct DestroyTable {
    void operator()(ibv_rwq_ind_table* table) const { EXPECT_EQ(ibv_destroy_rwq_ind_table(table), 0); }
};
using WqHandle = std::unique_ptr<ibv_wq, DestroyWq>;
using TableHandle = std::unique_ptr<ibv_rwq_ind_table, DestroyTable>;

/// The key of Microsoft's "Verifying the RSS Hash Calculation".
inline std::array<std::uint8_t, 40> rss_key{0x6d, 0x5a, 0x56, 0xda, 0x25, 0x5b, 0x0e, 0xc2, 0x41, 0x67,
                                            0x25, 0x3d, 0x43, 0xa3, 0x8f, 0xb0, 0xd0, 0xca, 0x2b, 0xcb,
                                            0xae, 0x7b, 0x30, 0xb4, 0x77, 0xcb, 0x2d, 0xa3, 0x80, 0x30,
                                            0xf2, 0x0c, 0x6a, 0x42, 0xb7, 0x3b, 0xbe, 0xac, 0x01, 0xfa};

inline ibv_wq_init_attr wq_attr(VerbsEnd& end, std::uint32_t depth = 16) {
    ibv_wq_init_attr attr{};
    attr.wq_type = IBV_WQT_RQ;
    attr.max_wr = depth;
    attr.max_sge = 2;
    attr.pd = end.pd.get();
    attr.cq = end.recv_cq.get();
    return attr;
}

inline int modify_wq(ibv_wq* wq, ibv_wq_state to) {
    ibv_wq_attr attr{};
    attr.attr_mask = IBV_WQ_ATTR_STATE;
    attr.wq_state = to;
    return ibv_modify_wq(wq, &attr);
}

inline WqHandle make_wq(VerbsEnd& end, ibv_wq_init_attr attr) {
    return WqHandle{ibv_create_wq(end.context.get(), &attr)};
}
/// Ready to receive.
inline WqHandle make_wq(VerbsEnd& end) {
    WqHandle wq = make_wq(end, wq_attr(end));
    EXPECT_EQ(modify_wq(wq.get(), IBV_WQS_RDY), 0);
    return wq;
}

inline TableHandle make_table(VerbsEnd& end, std::vector<ibv_wq*> queues) {
    ibv_rwq_ind_table_init_attr attr{};
    attr.log_ind_tbl_size = static_cast<std::uint32_t>(std::bit_width(queues.size()) - 1);
    attr.ind_tbl = queues.data();
    return TableHandle{ibv_create_rwq_ind_table(end.context.get(), &attr)};
}

constexpr std::uint64_t ipv4_addresses = IBV_RX_HASH_SRC_IPV4 | IBV_RX_HASH_DST_IPV4;
constexpr std::uint64_t ipv6_addresses = IBV_RX_HASH_SRC_IPV6 | IBV_RX_HASH_DST_IPV6;
constexpr std::uint64_t udp_ports = IBV_RX_HASH_SRC_PORT_UDP | IBV_RX_HASH_DST_PORT_UDP;
constexpr std::uint64_t tcp_ports = IBV_RX_HASH_SRC_PORT_TCP | IBV_RX_HASH_DST_PORT_TCP;

inline ibv_qp_init_attr_ex rss_attr(VerbsEnd& end, const TableHandle& table, std::uint64_t fields = ipv4_addresses) {
    ibv_qp_init_attr_ex attr{};
    attr.qp_type = IBV_QPT_RAW_PACKET;
    attr.comp_mask = IBV_QP_INIT_ATTR_PD | IBV_QP_INIT_ATTR_IND_TABLE | IBV_QP_INIT_ATTR_RX_HASH;
    attr.pd = end.pd.get();
    attr.rwq_ind_tbl = table.get();
    attr.rx_hash_conf = {IBV_RX_HASH_FUNC_TOEPLITZ, 40, rss_key.data(), fields};
    return attr;
}

inline verbs::QpHandle make_qp(VerbsEnd& end, ibv_qp_init_attr_ex attr) {
    return {ibv_create_qp_ex(end.context.get(), &attr), {&end.verbs}};
}

inline int post_wq(ibv_wq* wq, std::uint64_t id, Sges sges) {
    ibv_recv_wr wr{};
    wr.wr_id = id;
    wr.sg_list = sges.data();
    wr.num_sge = static_cast<int>(sges.size());
    ibv_recv_wr* bad = nullptr;
    const int error = ibv_post_wq_recv(wq, &wr, &bad);
    EXPECT_EQ(bad, error ? &wr : nullptr);
    return error;
}

}  // namespace pktverbs::testing
