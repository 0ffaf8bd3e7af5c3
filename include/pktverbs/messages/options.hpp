// SPDX-License-Identifier: Apache-2.0
// Options: sizes, limits and timeouts of a socket.
#pragma once

#include <chrono>
#include <cstdint>

namespace pktverbs::messages {

/// Selects the sizes, limits and timeouts of a socket. The defaults suit a few sockets with messages of any size up to
/// 64 KiB.
///
/// A socket registers (receives + sends) * message_bytes of memory.
struct Options {
    /// The longest message that can be sent or received here.
    std::uint32_t message_bytes = 64 * 1024;
    /// Messages that can arrive before one of them is released. When none is left, the peer waits.
    std::uint32_t receives = 16;
    /// Messages that can be in flight to the peer.
    std::uint32_t sends = 16;
    /// The longest message that is sent to a peer that doesn't announce its own limit: ibmsg's is 4096.
    std::uint32_t assumed_peer_message_bytes = 4096;

    // These three are at most 20 days; more counts as 20 days.
    /// How long connecting may take, from resolving the peer's address to its answer; and how long the peer's
    /// confirmation may take after an accept.
    std::chrono::milliseconds connect_timeout{5000};
    /// How long disconnect() waits for messages in flight, and then for the peer's answer.
    std::chrono::milliseconds close_timeout{1000};
    /// After this long without a completion, the peer is probed; 0: never.
    std::chrono::milliseconds keepalive{1000};

    /// A packet counts as lost after 4.096 us * 2^ack_timeout: 134 ms for 15. The loss of a peer is detected after 1 +
    /// retry_count times that, which the device may round up.
    std::uint8_t ack_timeout = 15;
    std::uint8_t retry_count = 7;  ///< times that a lost packet is sent again, 0 to 7
    std::uint8_t rnr_retry = 7;    ///< times that a send is tried again when the peer has no receive posted; 7: forever
    /// How long the peer waits before it tries again when no receive is posted here, in the code of ibv_modify_qp(3):
    /// 12 is 0.64 ms; 0 is 655 ms, which is rarely wanted.
    std::uint8_t min_rnr_timer = 12;

    /// The number of requests, at least 1, that can wait for an answer, in the listener or in the program. Further
    /// requests are rejected with that reason. Until the executor runs, as many again wait in the kernel, up to
    /// /proc/sys/net/rdma_ucm/max_backlog. For listeners.
    int backlog = 128;
};

}  // namespace pktverbs::messages
