// SPDX-License-Identifier: Apache-2.0
#include "soft/rewritten_frames.hpp"

#include <algorithm>
#include <cstring>

#include "base/internet_checksum.hpp"
#include "base/segment.hpp"

namespace pktverbs::soft {
namespace {

const std::uint8_t* bytes_of(const ibv_sge& sge) noexcept { return reinterpret_cast<const std::uint8_t*>(sge.addr); }

/// The part of scatter elements from `offset` on: `length` bytes, or all. Returns how many it wrote.
std::uint32_t slice(std::span<const ibv_sge> sges, std::uint32_t offset, std::uint32_t length, ibv_sge* out) noexcept {
    std::uint32_t count = 0;
    for (const ibv_sge& sge : sges) {
        if (length == 0) break;
        if (offset >= sge.length) {
            offset -= sge.length;
            continue;
        }
        const std::uint32_t part = std::min(length, sge.length - offset);
        out[count++] = {sge.addr + offset, part, sge.lkey};
        length -= part;
        offset = 0;
    }
    return count;
}

void copy_first(std::span<const ibv_sge> sges, std::span<std::uint8_t> to) noexcept {
    for (const ibv_sge& sge : sges) {
        const std::size_t part = std::min<std::size_t>(to.size(), sge.length);
        if (part != 0) std::memcpy(to.data(), bytes_of(sge), part);
        to = to.subspan(part);
    }
}

}  // namespace

void RewrittenFrames::add(const Source& source, std::uint32_t index) noexcept {
    TxFrame& frame = frames_[count_];
    Pieces& pieces = pieces_[count_];
    const std::span<std::uint8_t> room = heads_[count_];
    ++count_;

    if (!source.checksums && source.mss == 0) {
        frame = {pieces.data(), slice(source.sges, 0, source.length, pieces.data()), source.length};
        return;
    }
    std::span<std::uint8_t> head;
    std::uint32_t offset = 0;
    std::uint32_t payload = source.length;
    if (source.mss != 0) {
        head = room.first(source.header.size());
        std::ranges::copy(source.header, head.begin());
        const Segment segment = Segment::at(index, source.length, source.mss);
        write_segment_header(head, find_segment_headers(head), segment);
        offset = index * source.mss;
        payload = segment.bytes;
    } else {
        head = room.first(std::min<std::size_t>(room.size(), source.length));
        copy_first(source.sges, head);
        offset = static_cast<std::uint32_t>(head.size());
        payload -= offset;
    }
    const auto head_bytes = static_cast<std::uint32_t>(head.size());
    pieces[0] = {reinterpret_cast<std::uint64_t>(head.data()), head_bytes, 0};
    const std::uint32_t count = slice(source.sges, offset, payload, &pieces[1]);
    frame = {pieces.data(), 1 + count, head_bytes + payload};
    if (!source.checksums) return;

    std::array<ByteSpan, most_sges> rest;
    for (std::uint32_t i = 0; i < count; ++i) rest[i] = {bytes_of(pieces[1 + i]), pieces[1 + i].length};
    frame.checksum_ok = fill_checksums(head, std::span{rest}.first(count));
}

}  // namespace pktverbs::soft
