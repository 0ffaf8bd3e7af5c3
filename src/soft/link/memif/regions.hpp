// SPDX-License-Identifier: Apache-2.0
// Regions: the mapped shared memory of a connection.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "soft/link/memif/offer.hpp"

namespace pktverbs::soft::memif {

class Regions {
public:
    Regions() noexcept = default;
    ~Regions();
    Regions(const Regions&) = delete;
    Regions& operator=(const Regions&) = delete;

    /// Maps one more. Throws Refusal for memory that its owner can cut, or that is shorter than it says.
    void add(const OfferedRegion& region);

    /// Null unless all of it lies in that region.
    std::byte* find(std::uint16_t index, std::uint32_t offset, std::uint64_t length) const noexcept {
        if (index >= mapped_.size()) return nullptr;
        const Mapped& region = mapped_[index];
        if (length > region.bytes || offset > region.bytes - length) return nullptr;
        return region.base + offset;
    }

private:
    struct Mapped {
        std::byte* base;
        std::uint64_t bytes;
    };
    std::vector<Mapped> mapped_;
};

/// An offer of one region with all rings and their buffers. Throws std::system_error.
struct OfferShape {
    std::uint16_t to_server;
    std::uint16_t to_client;
    std::uint8_t log2_slots;
    std::uint32_t buffer_bytes;

    std::uint32_t buffer_stride() const noexcept { return (buffer_bytes + 63) & ~std::uint32_t{63}; }
    std::uint64_t ring_stride() const noexcept;
    /// Of the buffers of a ring; rings to the client come behind those to the server.
    std::uint64_t buffers_at(std::size_t ring) const noexcept;
    std::uint64_t bytes() const noexcept { return buffers_at(std::size_t{to_server} + to_client); }
};
Offer make_offer(const OfferShape& shape);

}  // namespace pktverbs::soft::memif
