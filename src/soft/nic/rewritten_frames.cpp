// SPDX-License-Identifier: Apache-2.0
#include "soft/nic/rewritten_frames.hpp"

#include <algorithm>

#include "net/internet_checksum.hpp"
#include "net/segment.hpp"
#include "verbs/scatter.hpp"

namespace pktverbs::soft {
void RewrittenFrames::add(const Source& source, std::uint32_t index) noexcept {
    TxFrame& frame = frames_[count_];
    Pieces& pieces = pieces_[count_];
    const std::span<std::uint8_t> room = heads_[count_];
    ++count_;

    if (!source.checksums && source.mss == 0) {
        frame = {pieces.data(), slice_sges(source.sges, 0, source.length, pieces.data()), source.length, false, queue_};
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
    const std::uint32_t count = slice_sges(source.sges, offset, payload, &pieces[1]);
    frame = {pieces.data(), 1 + count, head_bytes + payload, false, queue_};
    if (!source.checksums) return;

    std::array<ByteSpan, max_sges> rest;
    for (std::uint32_t i = 0; i < count; ++i) rest[i] = bytes_of(pieces[1 + i]);
    frame.checksum_ok = fill_checksums(head, std::span{rest}.first(count));
}

}  // namespace pktverbs::soft
