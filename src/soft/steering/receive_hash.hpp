// SPDX-License-Identifier: Apache-2.0
// ReceiveHash: which fields of a frame a receive-side scaling queue pair hashes, and with which key.
#pragma once

#include <infiniband/verbs.h>

#include <algorithm>
#include <cstdint>

#include "soft/steering/frame_key.hpp"
#include "soft/steering/toeplitz.hpp"

namespace pktverbs::soft {

class ReceiveHash {
public:
    static constexpr std::uint64_t fields_supported =
        IBV_RX_HASH_SRC_IPV4 | IBV_RX_HASH_DST_IPV4 | IBV_RX_HASH_SRC_IPV6 | IBV_RX_HASH_DST_IPV6 |
        IBV_RX_HASH_SRC_PORT_TCP | IBV_RX_HASH_DST_PORT_TCP | IBV_RX_HASH_SRC_PORT_UDP | IBV_RX_HASH_DST_PORT_UDP;

    /// What it may depend on.
    static FrameKey fields() noexcept {
        FrameKey fields{};
        std::ranges::fill(fields.src_ip, 0xff);
        std::ranges::fill(fields.dst_ip, 0xff);
        fields.src_port = fields.dst_port = 0xffff;
        fields.protocol = fields.flags = 0xff;
        return fields;
    }

    /// Returns 0, or mlx5's errno (create_rss_raw_qp_tir in drivers/infiniband/hw/mlx5/qp.c).
    static int check(const ibv_rx_hash_conf& conf, std::uint32_t table_size) noexcept;

    /// `conf` must have passed check().
    explicit ReceiveHash(const ibv_rx_hash_conf& conf) noexcept;

    /// Addresses before ports, source before destination. 0 for a frame that lacks one of the fields. No fragment has
    /// ports, not even the first, so that all of a datagram's fragments go one way.
    std::uint32_t of(const FrameKey& key) const noexcept;

private:
    Toeplitz toeplitz_;
    std::uint64_t fields_;
    std::uint8_t flags_mask_ = 0;
    std::uint8_t flags_ = 0;
    std::uint8_t protocol_ = 0;  ///< 0: any
    std::uint8_t address_bytes_ = 0;
};

}  // namespace pktverbs::soft
