// SPDX-License-Identifier: Apache-2.0
// Offer: the memory and the rings that a client brings to a connection.
#pragma once

#include <cstdint>
#include <vector>

#include "base/file_descriptor.hpp"

namespace pktverbs::soft::memif {

struct OfferedRegion {
    std::uint64_t bytes;
    FileDescriptor memory;
};

struct OfferedRing {
    std::uint16_t region;
    std::uint32_t offset;
    std::uint8_t log2_slots;
    FileDescriptor event;  ///< an eventfd that the sender of frames sets
};

struct Offer {
    std::vector<OfferedRegion> regions;
    std::vector<OfferedRing> to_server;
    std::vector<OfferedRing> to_client;
};

}  // namespace pktverbs::soft::memif
