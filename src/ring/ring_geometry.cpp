// SPDX-License-Identifier: Apache-2.0
#include <pktverbs/ring/ring_geometry.hpp>

#include <cerrno>
#include <string_view>

#include <pktverbs/format.hpp>
#include <pktverbs/ring/ring_layout.hpp>
#include <pktverbs/verbs/error.hpp>

namespace pktverbs {
namespace {

constexpr std::uint64_t page = 4096;  ///< GPUs and O_DIRECT need it, too
constexpr std::uint64_t line = 64;
constexpr std::uint32_t max_blocks = 4096;
constexpr std::uint32_t max_slots = 1U << 20;
constexpr std::uint32_t max_header_bytes = 1U << 16;
constexpr std::uint32_t max_payload_bytes = 1U << 24;
constexpr std::uint64_t max_bytes = std::uint64_t{1} << 46;

constexpr std::uint64_t round_up(std::uint64_t bytes, std::uint64_t unit) { return (bytes + unit - 1) / unit * unit; }

void check(std::string_view what, std::uint32_t value, std::uint32_t least, std::uint32_t most) {
    if (value < least || value > most)
        verbs::throw_message(
            EINVAL, fmt::format("cannot lay out a ring: {} {} is not between {} and {}", what, value, least, most));
}

}  // namespace

RingGeometry RingGeometry::checked() const {
    RingGeometry made = *this;
    check("blocks", blocks, 2, max_blocks);
    check("block_slots", block_slots, 1, max_slots);
    check("header_bytes", header_bytes, 0, max_header_bytes);
    check("payload_bytes", payload_bytes, 1, max_payload_bytes);
    if (header_stride == 0) made.header_stride = static_cast<std::uint32_t>(round_up(header_bytes, line));
    if (payload_stride == 0) made.payload_stride = static_cast<std::uint32_t>(round_up(payload_bytes, line));
    check("header_stride", made.header_stride, header_bytes, 2 * max_header_bytes);
    check("payload_stride", made.payload_stride, payload_bytes, 2 * max_payload_bytes);
    // The largest sizes together exceed an address space, but not 64 bits.
    if (RingLayout{made}.total_bytes > max_bytes)
        verbs::throw_message(ENOMEM, fmt::format("cannot lay out a ring: an address space has no room for {}", made));
    return made;
}

std::string RingGeometry::to_string() const {
    return fmt::format("{} blocks of {} slots, headers {} bytes every {}, payloads {} bytes every {}", blocks,
                       block_slots, header_bytes, header_stride, payload_bytes, payload_stride);
}

RingLayout::RingLayout(const RingGeometry& checked) noexcept
    : geometry{checked},
      states_offset{sizeof(RingHeader)},
      blocks_offset{round_up(states_offset + sizeof(std::uint64_t) * geometry.blocks, page)},
      bitmap_offset{sizeof(RingBlockHeader)},
      slots_offset{round_up(bitmap_offset + (std::uint64_t{geometry.block_slots} + 63) / 64 * 8, line)},
      headers_offset{round_up(slots_offset + sizeof(RingSlot) * std::uint64_t{geometry.block_slots}, line)},
      payloads_offset{round_up(headers_offset + std::uint64_t{geometry.header_stride} * geometry.block_slots, page)} {
    block_stride = round_up(payloads_offset + std::uint64_t{geometry.payload_stride} * geometry.block_slots, page);
    total_bytes = blocks_offset + block_stride * geometry.blocks;
}

RingDescription RingLayout::description() const noexcept {
    return {.version = RingHeader::version_number,
            .bytes = sizeof(RingHeader),
            .total_bytes = total_bytes,
            .geometry = geometry,
            .states_offset = states_offset,
            .blocks_offset = blocks_offset,
            .block_stride = block_stride,
            .bitmap_offset = bitmap_offset,
            .slots_offset = slots_offset,
            .headers_offset = headers_offset,
            .payloads_offset = payloads_offset};
}

}  // namespace pktverbs
