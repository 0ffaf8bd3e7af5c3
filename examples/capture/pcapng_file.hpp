// SPDX-License-Identifier: Apache-2.0
// PcapngFile: puts packets into a pcapng file, through large pieces of its own.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include <pktverbs/pcapng/blocks.hpp>
#include "block_writer.hpp"

namespace capture {

/// Packets are copied once, into pieces of 1 MiB, which the BlockWriter takes as they are.
class PcapngFile {
public:
    /// `writer` is new, and outlives this.
    PcapngFile(BlockWriter& writer, const std::string& program, const pktverbs::pcapng::Interface& interface,
               std::size_t pieces);

    /// A frame in two parts. Does nothing once a write has failed: see BlockWriter::error().
    void add(std::span<const std::uint8_t> header, std::span<const std::uint8_t> rest, std::chrono::nanoseconds time);

    /// Of a stream: writes what there is. Else does nothing.
    void flush();

    /// Those that were added before a write failed.
    std::uint64_t packets() const noexcept { return packets_; }

    /// Writes the statistics and all that is left, and closes the file. Of a file that a failed write has ended,
    /// only whole blocks stay; of a stream, whatever it took. Returns how many packets are in the file. Throws
    /// std::system_error.
    std::uint64_t finish(pktverbs::pcapng::Statistics statistics);
    /// Of the finished file.
    std::uint64_t file_bytes() const noexcept { return file_bytes_; }

private:
    /// Between two blocks of the file.
    struct Boundary {
        std::uint64_t offset = 0;
        std::uint64_t packets = 0;  ///< before it
    };
    struct Free {
        void operator()(std::uint8_t* memory) const noexcept;
    };
    struct Piece {
        std::unique_ptr<std::uint8_t[], Free> memory;
        bool is_used = false;
        std::uint64_t start = 0;  ///< where it stands in the file
        Boundary before;          ///< the last one before this piece
        Boundary first;           ///< the first one in this piece, or the same
    };
    static constexpr std::size_t piece_bytes = std::size_t{1} << 20;

    void begin_block() noexcept;
    void append(const void* bytes, std::size_t count);
    void append_block(std::span<const std::uint8_t> block);
    void write_piece();
    Boundary last_whole() const;
    std::uint64_t offset() const noexcept { return piece_->start + used_; }

    BlockWriter& writer_;
    std::vector<Piece> pieces_;
    Piece* piece_ = nullptr;  ///< the one that is being filled
    std::uint64_t piece_number_ = 0;
    std::size_t used_ = 0;  ///< bytes of the current piece
    std::uint64_t packets_ = 0;
    Boundary last_;  ///< where the block begins that is being appended
    std::uint64_t file_bytes_ = 0;
};

}  // namespace capture
