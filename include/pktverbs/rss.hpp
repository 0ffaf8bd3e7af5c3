// SPDX-License-Identifier: Apache-2.0
// Rss: how the frames of one flow rule are shared out to several queues.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace pktverbs {

/// Selects the header fields whose hash spreads a rule's frames over several queues (receive-side scaling).
///
/// The device hashes these fields of each frame (Toeplitz), and the hash picks the queue, so frames that agree in all
/// of them stay in one queue, in order. Ports count for rules with udp() or tcp(), addresses for rules with an IP
/// version; a rule without either is hashed as IPv4 and UDP. Frames without the fields of their rule's hash, and
/// fragments where ports count, go to the first queue.
struct Rss {
    /// The length of the hash key.
    static constexpr std::size_t key_bytes = 40;

    bool src_ip = true;    ///< hash the source address
    bool dst_ip = true;    ///< hash the destination address
    bool src_port = true;  ///< hash the source port
    bool dst_port = true;  ///< hash the destination port
    /// The key of the hash; by default that of Microsoft's "Verifying the RSS Hash Calculation".
    std::array<std::uint8_t, key_bytes> key = {0x6d, 0x5a, 0x56, 0xda, 0x25, 0x5b, 0x0e, 0xc2, 0x41, 0x67,
                                               0x25, 0x3d, 0x43, 0xa3, 0x8f, 0xb0, 0xd0, 0xca, 0x2b, 0xcb,
                                               0xae, 0x7b, 0x30, 0xb4, 0x77, 0xcb, 0x2d, 0xa3, 0x80, 0x30,
                                               0xf2, 0x0c, 0x6a, 0x42, 0xb7, 0x3b, 0xbe, 0xac, 0x01, 0xfa};
};

}  // namespace pktverbs
