// SPDX-License-Identifier: Apache-2.0
// Shared by the offload tests: queue pairs with offloads.
#pragma once

#include "ip_frame.hpp"
#include "soft/nic/queue_pair.hpp"
#include "work_queues.hpp"

namespace pktverbs::testing {

/// Ready to send and receive, with the completion queues of `end`, 4 scatter elements and 256 bytes inline.
inline verbs::QpHandle make_offloading_qp(VerbsEnd& end, std::uint32_t create_flags, std::uint16_t tso_header = 0,
                                          std::uint64_t operations = 0) {
    ibv_qp_init_attr_ex attr{};
    attr.qp_type = IBV_QPT_RAW_PACKET;
    attr.send_cq = end.send_cq.get();
    attr.recv_cq = end.recv_cq.get();
    attr.cap = {16, 16, 4, 4, 256};
    attr.comp_mask = IBV_QP_INIT_ATTR_PD | IBV_QP_INIT_ATTR_CREATE_FLAGS;
    if (tso_header != 0) attr.comp_mask |= IBV_QP_INIT_ATTR_MAX_TSO_HEADER;
    if (operations != 0) attr.comp_mask |= IBV_QP_INIT_ATTR_SEND_OPS_FLAGS;
    attr.pd = end.pd.get();
    attr.create_flags = create_flags;
    attr.max_tso_header = tso_header;
    attr.send_ops_flags = operations;
    verbs::QpHandle qp = make_qp(end, attr);
    bring_to(qp.get(), IBV_QPS_RTS);
    return qp;
}

/// A frame with its checksum fields set to 0.
inline Frame without_checksums(const IpFrame& frame, Frame bytes) {
    if (!frame.ipv6) bytes[frame.ip_offset() + 10] = bytes[frame.ip_offset() + 11] = 0;
    bytes[frame.checksum_offset()] = bytes[frame.checksum_offset() + 1] = 0;
    return bytes;
}

/// Expects `bytes` to be those of `frame`, with correct checksums.
inline void expect_right(const IpFrame& frame, const Frame& bytes) {
    EXPECT_EQ(without_checksums(frame, bytes), frame.bytes());
    EXPECT_TRUE(frame.ipv6 || ipv4_right(frame, bytes));
    EXPECT_TRUE(transport_right(frame, bytes));
}

}  // namespace pktverbs::testing
