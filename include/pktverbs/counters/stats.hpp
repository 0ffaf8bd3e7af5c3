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

/// Plain numbers since the context was made, except posted_now and in_flight. Taken without
/// stopping anything, so numbers of one snapshot may be a batch apart.
struct Stats {
    /// One count per ibv_wc_status.
    using ByStatus = std::array<std::uint64_t, IBV_WC_TM_RNDV_INCOMPLETE + 1>;

    std::uint64_t recv_packets = 0;  ///< whole frames handed out
    std::uint64_t recv_bytes = 0;
    ByStatus recv_errors{};          ///< failed receive completions; [IBV_WC_SUCCESS] stays 0
    std::uint64_t sent_packets = 0;  ///< completed without error
    std::uint64_t sent_bytes = 0;
    ByStatus send_errors{};           ///< failed send completions; [IBV_WC_SUCCESS] stays 0
    std::uint64_t empty_wakeups = 0;  ///< woken to find nothing
    std::uint64_t starvations = 0;    ///< times that the last posted receive packet was taken
    std::uint64_t refused_posts = 0;  ///< packets that the device refused to take, to send or to receive into
    std::uint32_t largest_batch = 0;  ///< most packets that one recv gave
    std::uint32_t posted_now = 0;     ///< receive packets with the NIC
    std::uint32_t in_flight = 0;      ///< posted to send, completion not yet seen
    verbs::DeviceDrops drops;         ///< of the whole device; in Context::stats() only

    /// Adds the counters of another queue; largest_batch becomes the larger of the two.
    PKTVERBS_EXPORT Stats& operator+=(const Stats& other) noexcept;
    /// "recv_packets 10 recv_bytes 640 ...": name and value pairs. What is 0 when all is well is
    /// left out while it is 0; errors go by status: "recv_errors.LOC_LEN_ERR 3".
    PKTVERBS_EXPORT std::string to_string() const;
};

}  // namespace pktverbs
