// SPDX-License-Identifier: Apache-2.0
// PcapngFile: writes packets to a pcapng file, in large pieces of its own.
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

/// Packets are copied once, into pieces of 1 MiB, which the BlockWriter writes without copying them.
class PcapngFile {
public:
    /// `writer` must be new, and outlive this object.
    PcapngFile(BlockWriter& writer, const std::string& program, const pktverbs::pcapng::Interface& interface,
               std::size_t pieces);

    /// Adds a frame in two parts. Does nothing after a write has failed: see BlockWriter::error().
    void add(std::span<const std::uint8_t> header, std::span<const std::uint8_t> rest, std::chrono::nanoseconds time);

    /// Writes the packets added so far to a stream; does nothing for a file.
    void flush();

    /// Returns the number of packets added before a write failed.
    std::uint64_t packets() const noexcept { return packets_; }

    /// Writes the statistics and all remaining packets, and closes the file. If a write has failed, a file is cut to
    /// its last whole block; a stream keeps what it got. Returns the number of packets in the file. Throws
    /// std::system_error.
    std::uint64_t finish(pktverbs::pcapng::Statistics statistics);
    /// Valid for the finished file.
    std::uint64_t file_bytes() const noexcept { return file_bytes_; }

private:
    /// A boundary between two blocks of the file.
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
        std::uint64_t start = 0;  ///< its offset in the file
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
    Piece* piece_ = nullptr;  ///< being filled
    std::uint64_t piece_number_ = 0;
    std::size_t used_ = 0;  ///< bytes of the current piece
    std::uint64_t packets_ = 0;
    Boundary last_;  ///< the beginning of the block that is being appended
    std::uint64_t file_bytes_ = 0;
};

}  // namespace capture
