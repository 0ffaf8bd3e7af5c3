// SPDX-License-Identifier: Apache-2.0
// Completion: how one work request ended.
#pragma once

#include <infiniband/verbs.h>

#include <arpa/inet.h>

#include <cstdint>
#include <optional>
#include <string>

#include <pktverbs/export.hpp>

namespace pktverbs::verbs {

/// A value. Of a failed completion only id(), status(), queue_pair() and vendor_error() mean anything
/// (ibv_poll_cq(3)).
class Completion {
public:
    explicit Completion(const ibv_wc& wc, std::uint64_t ticks = 0) noexcept : wc_{wc}, ticks_{ticks} {}

    std::uint64_t id() const noexcept { return wc_.wr_id; }
    ibv_wc_status status() const noexcept { return wc_.status; }
    bool ok() const noexcept { return wc_.status == IBV_WC_SUCCESS; }
    ibv_wc_opcode opcode() const noexcept { return wc_.opcode; }
    bool is_receive() const noexcept { return (wc_.opcode & IBV_WC_RECV) != 0; }
    /// Bytes received, read or written by an atomic. On a datagram queue pair with the 40 bytes of the GRH.
    std::uint32_t length() const noexcept { return wc_.byte_len; }
    /// The immediate data that came with it, in host order.
    std::optional<std::uint32_t> immediate() const noexcept {
        if ((wc_.wc_flags & IBV_WC_WITH_IMM) == 0) return std::nullopt;
        return ntohl(wc_.imm_data);
    }
    /// The local queue pair's number.
    std::uint32_t queue_pair() const noexcept { return wc_.qp_num; }
    /// Of a datagram: the sender's queue pair's number.
    std::uint32_t source_queue_pair() const noexcept { return wc_.src_qp; }
    /// Of a datagram: the first 40 bytes of its buffer hold a GRH.
    bool has_grh() const noexcept { return (wc_.wc_flags & IBV_WC_GRH) != 0; }
    std::uint32_t vendor_error() const noexcept { return wc_.vendor_err; }
    /// Of the device's clock, in its own ticks; 0 from a classic queue.
    std::uint64_t timestamp_ticks() const noexcept { return ticks_; }
    const ibv_wc& raw() const noexcept { return wc_; }

    /// "receive 7: ok, 64 bytes" or "7: remote access error, vendor error 0x88".
    PKTVERBS_EXPORT std::string to_string() const;

private:
    ibv_wc wc_;
    std::uint64_t ticks_;
};

}  // namespace pktverbs::verbs
