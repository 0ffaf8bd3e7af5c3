// SPDX-License-Identifier: Apache-2.0
// Options: what a socket is made with.
#pragma once

#include <chrono>
#include <cstdint>

namespace pktverbs::messages {

/// The defaults suit a few sockets with messages of any size up to 64 KiB. A socket registers (receives + sends) *
/// message_bytes.
struct Options {
    /// The longest message that can be sent or received here.
    std::uint32_t message_bytes = 64 * 1024;
    /// Messages that can come before one of them is released. With none left, the peer waits.
    std::uint32_t receives = 16;
    /// Messages that can be under way to the peer.
    std::uint32_t sends = 16;
    /// What a peer takes that doesn't say what it takes: ibmsg's is 4096.
    std::uint32_t assumed_peer_message_bytes = 4096;

    // Of these three, more than 20 days count as 20 days.
    /// For everything from looking for the peer to its answer, and for a peer's word after an accept.
    std::chrono::milliseconds connect_timeout{5000};
    /// How long disconnect() waits for messages under way, and then for the peer's answer.
    std::chrono::milliseconds close_timeout{1000};
    /// After so long without a completion the peer is asked whether it lives; 0: never.
    std::chrono::milliseconds keepalive{1000};

    /// 4.096 us * 2^ack_timeout until a packet counts as lost: 15 is 134 ms. A peer that is gone is noticed after
    /// 1 + retry_count times that, rounded up as the device likes.
    std::uint8_t ack_timeout = 15;
    std::uint8_t retry_count = 7;  ///< 0 to 7
    std::uint8_t rnr_retry = 7;    ///< how often to try a peer that has no receive posted; 7: for ever
    /// How long a peer waits before it tries again when no receive is posted here, in the code of ibv_modify_qp(3): 12
    /// is 0.64 ms. 0 is 655 ms and hardly what one wants.
    std::uint8_t min_rnr_timer = 12;

    /// Of a listener: requests that wait to be answered, in the listener or in the program's hands, at least 1. One
    /// more is rejected, and its peer gets the reason. Until the executor runs, as many again wait in the kernel, up to
    /// /proc/sys/net/rdma_ucm/max_backlog.
    int backlog = 128;
};

}  // namespace pktverbs::messages
