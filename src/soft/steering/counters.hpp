// SPDX-License-Identifier: Apache-2.0
// Counters: the soft device's ibv_counters, which flows count frames in.
#pragma once

#include <infiniband/verbs.h>

#include <cstdint>
#include <mutex>
#include <span>
#include <vector>

#include "base/counter.hpp"

namespace pktverbs::soft {

/// Points are attached first, then flows are created with it: so it is on mlx5, which attaches to no flow that exists.
class Counters final : public ibv_counters {
public:
    explicit Counters(ibv_context* made_in) : ibv_counters{made_in} {}

    /// Of the frames that the flows take; under the NIC's receive lock.
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

    /// A flow counts in it from now on: EINVAL if it has no points.
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
