// SPDX-License-Identifier: Apache-2.0
#include "packet/packet_buffers.hpp"

#include <fmt/core.h>

#include <bit>
#include <cerrno>

#include <pktverbs/verbs/error.hpp>

#include "memory/region_table.hpp"

namespace pktverbs {

PacketBuffers::PacketBuffers(const verbs::Port& port, RegionTable& regions, const Wanted& wanted)
    : count_{wanted.layout.chunks().size()} {
    std::size_t own = 0;
    for (std::size_t i = 0; i < count_; ++i) {
        const Layout::Chunk& chunk = wanted.layout.chunks()[i];
        if (!chunk.is_own) continue;
        places_[i] = {.start = own, .stride = chunk.bytes == 0 ? 0 : Memory::stride(chunk.bytes), .bytes = chunk.bytes};
        own += places_[i].stride * wanted.packets;
    }
    headers_ = {.start = own, .stride = wanted.header_bytes, .bytes = wanted.header_bytes};
    own += headers_.stride * wanted.packets;

    if (own != 0) {
        memory_ = Memory{own, wanted.placement};
        const std::string what = fmt::format("register {}", wanted.what);
        mr_ = verbs::MrHandle{
            verbs::check_pointer(
                port.action("reg_mr", what),
                [&] { return port.provider.reg_mr(port.domain, memory_.data(), memory_.size(), wanted.access); }),
            {&port.provider}};
        const auto start = reinterpret_cast<std::uint64_t>(memory_.data());
        for (std::size_t i = 0; i < count_; ++i) {
            if (!wanted.layout.chunks()[i].is_own) continue;
            places_[i].start += start;
            places_[i].lkey = mr_->lkey;
        }
        headers_.start += start;
        headers_.lkey = mr_->lkey;
    }
    for (std::size_t i = 0; i < count_; ++i)
        if (!wanted.layout.chunks()[i].is_own) places_[i] = in_region(port, regions, wanted.layout.chunks()[i], wanted);
}

PacketBuffers::Place PacketBuffers::in_region(const verbs::Port& port, RegionTable& regions, const Layout::Chunk& chunk,
                                              const Wanted& wanted) {
    const auto refuse = [&](const std::string& why) {
        verbs::throw_message(EINVAL, fmt::format("cannot lay out {} for {}: {}", wanted.what, port.name, why));
    };
    const std::size_t alignment = chunk.spacing.alignment;
    if (!std::has_single_bit(alignment)) refuse(fmt::format("an alignment of {} is not a power of two", alignment));
    const std::size_t stride =
        chunk.spacing.stride != 0 ? chunk.spacing.stride : (chunk.bytes + alignment - 1) & ~(alignment - 1);
    if (stride < chunk.bytes || chunk.bytes == 0)
        refuse(fmt::format("chunks of {} bytes do not fit into a stride of {}", chunk.bytes, stride));

    const std::span<std::uint8_t> bytes = chunk.region.bytes();
    const auto start = reinterpret_cast<std::uint64_t>(bytes.data());
    const std::size_t skipped = (start + alignment - 1) / alignment * alignment - start;
    const std::uint64_t packets = wanted.packets_before + wanted.packets;
    // In this form no product can overflow.
    const bool fits = skipped <= bytes.size() && chunk.bytes <= bytes.size() - skipped &&
                      packets - 1 <= (bytes.size() - skipped - chunk.bytes) / stride;
    if (!fits)
        refuse(fmt::format("a region of {} bytes has no room for {} chunks of {} bytes, {} apart and aligned to {}",
                           bytes.size(), packets, chunk.bytes, stride, alignment));
    const std::uint32_t lkey = regions.add(chunk.region).raw().lkey;
    return {.start = start + skipped + stride * wanted.packets_before,
            .stride = stride,
            .bytes = chunk.bytes,
            .lkey = lkey};
}

ibv_sge PacketBuffers::slice(std::size_t chunk, std::uint32_t packet) const noexcept {
    return places_[chunk].of(packet);
}

ibv_sge PacketBuffers::header(std::uint32_t packet) const noexcept { return headers_.of(packet); }

}  // namespace pktverbs
