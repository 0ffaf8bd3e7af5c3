// SPDX-License-Identifier: Apache-2.0
#include "pcapng_file.hpp"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <new>

namespace capture {

void PcapngFile::Free::operator()(std::uint8_t* memory) const noexcept { std::free(memory); }

PcapngFile::PcapngFile(BlockWriter& writer, const std::string& program, const pktverbs::pcapng::Interface& interface,
                       std::size_t pieces)
    : writer_{writer}, pieces_(std::max<std::size_t>(pieces, 1)) {
    for (auto& piece : pieces_) {
        piece.memory.reset(static_cast<std::uint8_t*>(std::aligned_alloc(BlockWriter::alignment, piece_bytes)));
        if (!piece.memory) throw std::bad_alloc{};
    }
    piece_ = &pieces_.front();
    piece_->is_used = true;
    append_block(pktverbs::pcapng::section_header(program));
    append_block(pktverbs::pcapng::interface_description(interface));
}

void PcapngFile::add(std::span<const std::uint8_t> header, std::span<const std::uint8_t> rest,
                     std::chrono::nanoseconds time) {
    if (writer_.error() != 0) return;
    begin_block();
    constexpr std::uint32_t zeros = 0;
    const auto bytes = header.size() + rest.size();
    const auto block = pktverbs::pcapng::packet_header(bytes, bytes, time);
    append(&block, sizeof block);
    append(header.data(), header.size());
    append(rest.data(), rest.size());
    append(&zeros, pktverbs::pcapng::padded(bytes) - bytes);
    append(&block.block_bytes, sizeof block.block_bytes);
    if (writer_.error() == 0) ++packets_;
}

void PcapngFile::begin_block() noexcept {
    last_ = {offset(), packets_};
    if (piece_->first.offset == piece_->before.offset) piece_->first = last_;
}

void PcapngFile::append(const void* bytes, std::size_t count) {
    const auto* from = static_cast<const std::uint8_t*>(bytes);
    while (count > 0) {
        const auto part = std::min(count, piece_bytes - used_);
        std::memcpy(piece_->memory.get() + used_, from, part);
        from += part;
        count -= part;
        used_ += part;
        if (used_ < piece_bytes) continue;
        write_piece();
        // Pieces that were not written are kept for last_whole().
        if (writer_.error() != 0) return;
    }
}

void PcapngFile::append_block(std::span<const std::uint8_t> block) {
    begin_block();
    append(block.data(), block.size());
}

void PcapngFile::flush() {
    if (writer_.is_stream() && used_ > 0 && writer_.error() == 0) write_piece();
}

/// Writes the current piece, and waits until the next one is free.
void PcapngFile::write_piece() {
    std::size_t bytes = used_;
    if (!writer_.is_stream()) {
        bytes = (used_ + BlockWriter::alignment - 1) / BlockWriter::alignment * BlockWriter::alignment;
        std::memset(piece_->memory.get() + used_, 0, bytes - used_);
    }
    writer_.write({piece_->memory.get(), bytes});
    writer_.wait(pieces_.size() - 1);
    if (writer_.error() != 0) return;
    const auto end = offset();
    ++piece_number_;
    used_ = 0;
    piece_ = &pieces_[piece_number_ % pieces_.size()];
    piece_->is_used = true;
    piece_->start = end;
    piece_->before = piece_->first = last_;
}

std::uint64_t PcapngFile::finish(pktverbs::pcapng::Statistics statistics) {
    Boundary end;
    if (writer_.error() == 0) {
        statistics.delivered = packets_;
        append_block(pktverbs::pcapng::interface_statistics(statistics));
        end = {offset(), packets_};
    }
    if (writer_.error() == 0 && used_ > 0) write_piece();
    writer_.wait(0);
    if (writer_.error() != 0) end = last_whole();
    writer_.finish(end.offset);
    file_bytes_ = writer_.is_stream() ? writer_.written_bytes() : end.offset;
    return end.packets;
}

/// The end of the last whole block in a file after a failed write.
PcapngFile::Boundary PcapngFile::last_whole() const {
    const auto end = writer_.written_bytes();
    // The piece in which the file ends, and those after it, were not reused.
    const Piece* last = nullptr;
    for (const auto& piece : pieces_)
        if (piece.is_used && piece.start <= end && (!last || piece.start > last->start)) last = &piece;
    const auto& piece = *last;
    const auto start = piece.start;
    if (piece.first.offset < start || piece.first.offset > end) return piece.before;
    for (auto at = piece.first;;) {
        std::uint32_t type_and_length[2];
        if (at.offset + sizeof type_and_length > end) return at;
        std::memcpy(type_and_length, piece.memory.get() + (at.offset - start), sizeof type_and_length);
        if (at.offset + type_and_length[1] > end) return at;
        at.offset += type_and_length[1];
        if (type_and_length[0] == pktverbs::pcapng::PacketHeader{}.type) ++at.packets;
    }
}

}  // namespace capture
