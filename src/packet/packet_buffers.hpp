// SPDX-License-Identifier: Apache-2.0
// PacketBuffers: the memory for one side of a queue, laid out and registered.
#pragma once

#include <infiniband/verbs.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include <pktverbs/memory/memory.hpp>
#include <pktverbs/packet/layout.hpp>
#include <pktverbs/verbs/handle.hpp>

#include "verbs/port.hpp"

namespace pktverbs {

class RegionTable;

class PacketBuffers {
public:
    struct Wanted {
        const Layout& layout;
        std::uint32_t packets;
        std::uint64_t packets_before;    ///< other queues' packets in the same regions
        std::uint32_t header_bytes = 0;  ///< extra bytes per packet, after all chunks
        Memory::Placement placement;     ///< for the library's own memory
        int access = 0;                  ///< IBV_ACCESS_*
        std::string_view what;           ///< "receive buffers"
    };

    PacketBuffers() noexcept = default;
    /// Throws std::system_error: EINVAL if a region is too small.
    PacketBuffers(const verbs::Port& port, RegionTable& regions, const Wanted& wanted);

    std::size_t chunk_count() const noexcept { return count_; }
    /// Chunk `chunk` of packet number `packet`.
    ibv_sge slice(std::size_t chunk, std::uint32_t packet) const noexcept;
    ibv_sge header(std::uint32_t packet) const noexcept;
    /// The size of the library's own memory.
    std::size_t own_bytes() const noexcept { return memory_.size(); }
    /// Ends the registration; the memory stays.
    void deregister() noexcept { mr_.reset(); }

private:
    struct Place {
        std::uint64_t start = 0;
        std::size_t stride = 0;
        std::uint32_t bytes = 0;
        std::uint32_t lkey = 0;
        ibv_sge of(std::uint64_t packet) const noexcept { return {start + stride * packet, bytes, lkey}; }
    };

    static Place in_region(const verbs::Port& port, RegionTable& regions, const Layout::Chunk& chunk,
                           const Wanted& wanted);

    Memory memory_;
    verbs::MrHandle mr_;
    std::array<Place, Layout::max_chunks> places_;
    std::size_t count_ = 0;
    Place headers_;
};

}  // namespace pktverbs
