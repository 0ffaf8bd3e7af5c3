// SPDX-License-Identifier: Apache-2.0
// Counters: the soft device's ibv_counters, in which flows count frames.
#pragma once

#include <infiniband/verbs.h>

#include <cstdint>
#include <mutex>
#include <span>
#include <vector>

#include "base/counter.hpp"

namespace pktverbs::soft {

/// Points are attached first, then flows are created with it, as on mlx5, which does not attach to existing flows.
class Counters : public ibv_counters {
public:
    explicit Counters(ibv_context* made_in) : ibv_counters{made_in} {}

    /// Counts a frame that a flow takes; under the NIC's receive lock.
    void count(std::uint32_t frame_bytes) noexcept {
        packets_.add(1);
        bytes_.add(frame_bytes);
    }
    std::uint64_t packets() const noexcept { return packets_.value(); }
    std::uint64_t bytes() const noexcept { return bytes_.value(); }

    /// 0; EBUSY while it has flows; EOPNOTSUPP, ENOMEM.
    int attach(const ibv_counter_attach_attr& attr) noexcept;
    /// Each point's number is added at its index; the others are 0. EINVAL without flows, or for too few values.
    int read(std::span<std::uint64_t> values) const noexcept;

    /// Adds a flow that counts in it: EINVAL if it has no points.
    int add_flow() noexcept;
    void remove_flow() noexcept;
    bool has_flows() const noexcept;

private:
    struct Point {
        std::uint32_t index;
        bool of_bytes;
    };

    Counter packets_;
    Counter bytes_;
    mutable std::mutex mutex_;
    std::vector<Point> points_;
    int flows_ = 0;
};

}  // namespace pktverbs::soft
