// SPDX-License-Identifier: Apache-2.0
// Completion: the result of one work request.
#pragma once

#include <infiniband/verbs.h>

#include <arpa/inet.h>

#include <cstdint>
#include <optional>
#include <string>

#include <pktverbs/export.hpp>

namespace pktverbs::verbs {

/// Reports how a work request ended: status, length, immediate data, timestamp.
///
/// A value. If it failed, only id(), status(), queue_pair() and vendor_error() have a meaning (ibv_poll_cq(3)).
class Completion {
public:
    /// Copies a work completion and its timestamp.
    explicit Completion(const ibv_wc& wc, std::uint64_t ticks = 0) noexcept : wc_{wc}, ticks_{ticks} {}

    /// Returns the id given to the work request.
    std::uint64_t id() const noexcept { return wc_.wr_id; }
    /// Returns how the work request ended.
    ibv_wc_status status() const noexcept { return wc_.status; }
    /// Whether it succeeded.
    bool ok() const noexcept { return wc_.status == IBV_WC_SUCCESS; }
    /// Returns the operation that completed.
    ibv_wc_opcode opcode() const noexcept { return wc_.opcode; }
    /// Whether it is that of a receive.
    bool is_receive() const noexcept { return (wc_.opcode & IBV_WC_RECV) != 0; }
    /// Returns the number of bytes received, read or written by an atomic; on a datagram queue pair, with the 40 bytes
    /// of the GRH.
    std::uint32_t length() const noexcept { return wc_.byte_len; }
    /// Returns the immediate data that came with it, in host order.
    std::optional<std::uint32_t> immediate() const noexcept {
        if ((wc_.wc_flags & IBV_WC_WITH_IMM) == 0) return std::nullopt;
        return ntohl(wc_.imm_data);
    }
    /// Returns the number of the local queue pair (qp_num).
    std::uint32_t queue_pair() const noexcept { return wc_.qp_num; }
    /// Returns the number of the queue pair that sent a datagram.
    std::uint32_t source_queue_pair() const noexcept { return wc_.src_qp; }
    /// Whether the first 40 bytes of a datagram's buffer hold a GRH.
    bool has_grh() const noexcept { return (wc_.wc_flags & IBV_WC_GRH) != 0; }
    /// Returns the device's own code for a failure.
    std::uint32_t vendor_error() const noexcept { return wc_.vendor_err; }
    /// Returns the device's clock at the completion, in ticks; 0 from a classic queue.
    std::uint64_t timestamp_ticks() const noexcept { return ticks_; }
    /// Returns the verbs structure.
    const ibv_wc& raw() const noexcept { return wc_; }

    /// Returns "receive 7: ok, 64 bytes" or "7: remote access error, vendor error 0x88".
    PKTVERBS_EXPORT std::string to_string() const;

private:
    ibv_wc wc_;
    std::uint64_t ticks_;
};

}  // namespace pktverbs::verbs
