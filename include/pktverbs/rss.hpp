// SPDX-License-Identifier: Apache-2.0
// Rss: how the frames of one flow rule are shared out to several queues.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace pktverbs {

/// Receive-side scaling: the device hashes these fields of each frame (Toeplitz), and the hash picks the queue. So
/// frames that agree in all of them stay in one queue, in their order. Ports count for rules that say udp() or tcp(),
/// addresses for those that say which version of IP; a rule that says neither is hashed as IPv4 and UDP. Frames
/// without the fields of their rule's hash, and fragments where ports count, go to the first queue.
struct Rss {
    static constexpr std::size_t key_bytes = 40;

    bool src_ip = true;
    bool dst_ip = true;
    bool src_port = true;
    bool dst_port = true;
    /// What Microsoft's "Verifying the RSS Hash Calculation" uses.
    std::array<std::uint8_t, key_bytes> key = {0x6d, 0x5a, 0x56, 0xda, 0x25, 0x5b, 0x0e, 0xc2, 0x41, 0x67,
                                               0x25, 0x3d, 0x43, 0xa3, 0x8f, 0xb0, 0xd0, 0xca, 0x2b, 0xcb,
                                               0xae, 0x7b, 0x30, 0xb4, 0x77, 0xcb, 0x2d, 0xa3, 0x80, 0x30,
                                               0xf2, 0x0c, 0x6a, 0x42, 0xb7, 0x3b, 0xbe, 0xac, 0x01, 0xfa};
};

}  // namespace pktverbs
