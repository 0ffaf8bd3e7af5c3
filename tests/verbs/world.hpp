// SPDX-License-Identifier: Apache-2.0
// World: one of everything, on a fake device.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include <pktverbs/verbs/address_handle.hpp>
#include <pktverbs/verbs/memory_region.hpp>
#include <pktverbs/verbs/queue_pair.hpp>

#include "fake_verbs.hpp"

namespace pktverbs::testing {

/// Handles that can be dropped in any order.
struct World {
    explicit World(FakeVerbs& fake, bool extended = false)
        : device{fake.device()},
          pd{std::in_place, *device},
          channel{std::in_place, *device},
          cq{std::in_place, *device,
             verbs::CompletionQueueOptions{.channel = *channel, .context = this, .extended = extended}},
          srq{std::in_place, *pd},
          region{std::in_place, *pd, memory},
          address{std::in_place, *pd, verbs::AddressOptions{}},
          qp{verbs::QueuePairBuilder{*pd, IBV_QPT_UD}.completes_on(*cq).receives_from(*srq).slices(4, 4).create()} {}

    static constexpr std::size_t handles = 8;
    /// Drops one of them, by number.
    void drop(std::size_t number) {
        switch (number) {
            case 0:
                return device.reset();
            case 1:
                return pd.reset();
            case 2:
                return channel.reset();
            case 3:
                return cq.reset();
            case 4:
                return srq.reset();
            case 5:
                return region.reset();
            case 6:
                return address.reset();
            default:
                return qp.reset();
        }
    }

    std::array<std::uint8_t, 4096> memory{};
    std::optional<verbs::OpenDevice> device;
    std::optional<verbs::ProtectionDomain> pd;
    std::optional<verbs::CompletionChannel> channel;
    std::optional<verbs::CompletionQueue> cq;
    std::optional<verbs::SharedReceiveQueue> srq;
    std::optional<verbs::MemoryRegion> region;
    std::optional<verbs::AddressHandle> address;
    std::optional<verbs::QueuePair> qp;
};

}  // namespace pktverbs::testing
