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
    class Last;

    Regions() noexcept = default;
    ~Regions();
    Regions(const Regions&) = delete;
    Regions& operator=(const Regions&) = delete;

    /// Maps one more. Throws Refusal for memory that its owner can cut, or that is shorter than it says.
    void add(const OfferedRegion& region);

    /// Null unless all of it lies in that region.
    std::byte* find(std::uint16_t index, std::uint32_t offset, std::uint64_t length) const noexcept {
        return index < mapped_.size() ? mapped_[index].find(offset, length) : nullptr;
    }

private:
    struct Mapped {
        std::byte* base;
        std::uint64_t bytes;

        std::byte* find(std::uint32_t offset, std::uint64_t length) const noexcept {
            return length <= bytes && offset <= bytes - length ? base + offset : nullptr;
        }
    };
    std::vector<Mapped> mapped_;
};

/// A reader that keeps the region found last at hand: most buffers of a ring are in one.
class Regions::Last {
public:
    explicit Last(const Regions& regions) noexcept : regions_{regions} {}
    /// As Regions::find().
    std::byte* find(std::uint16_t index, std::uint32_t offset, std::uint64_t length) noexcept {
        if (index != index_) [[unlikely]] {
            if (index >= regions_.mapped_.size()) return nullptr;
            index_ = index;
            region_ = regions_.mapped_[index];
        }
        return region_.find(offset, length);
    }

private:
    const Regions& regions_;
    std::uint32_t index_ = UINT32_MAX;
    Mapped region_{nullptr, 0};
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
