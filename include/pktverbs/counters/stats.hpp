// SPDX-License-Identifier: Apache-2.0
// Stats: a snapshot of a queue's or a context's counters.
#pragma once

#include <infiniband/verbs.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>

#include <pktverbs/export.hpp>
#include <pktverbs/verbs/device.hpp>

namespace pktverbs {

/// A snapshot of the packets, bytes, errors and drops that a queue or a context counted.
///
/// Counted since the context was made, except posted_now and in_flight. Nothing stops for a snapshot, so its numbers
/// may differ by a batch of packets.
struct Stats {
    /// One count for each ibv_wc_status.
    using ByStatus = std::array<std::uint64_t, IBV_WC_TM_RNDV_INCOMPLETE + 1>;

    std::uint64_t recv_packets = 0;   ///< whole frames that recv returned
    std::uint64_t recv_bytes = 0;     ///< bytes of those
    ByStatus recv_errors{};           ///< failed receive completions; [IBV_WC_SUCCESS] stays 0
    std::uint64_t sent_packets = 0;   ///< packets sent without error
    std::uint64_t sent_bytes = 0;     ///< bytes of those
    ByStatus send_errors{};           ///< failed send completions; [IBV_WC_SUCCESS] stays 0
    std::uint64_t empty_wakeups = 0;  ///< wake-ups that found no completion
    std::uint64_t starvations = 0;    ///< times that the last posted receive packet was used
    std::uint64_t refused_posts = 0;  ///< packets that the device refused to send or to receive into
    std::uint32_t largest_batch = 0;  ///< the largest number of packets that one recv returned
    std::uint32_t posted_now = 0;     ///< receive packets posted to the NIC now
    std::uint32_t in_flight = 0;      ///< packets posted to send whose completion has not been seen yet
    verbs::DeviceDrops drops;         ///< of the whole device; only in Context::stats()

    /// Adds the counters of another queue. largest_batch becomes the larger of the two.
    PKTVERBS_EXPORT Stats& operator+=(const Stats& other) noexcept;
    /// Returns "recv_packets 10 recv_bytes 640 ...": pairs of name and value. Counters that are 0 when all is well
    /// appear only when they are not 0; errors are listed by status: "recv_errors.LOC_LEN_ERR 3".
    PKTVERBS_EXPORT std::string to_string() const;
};

}  // namespace pktverbs
