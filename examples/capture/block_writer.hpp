// SPDX-License-Identifier: Apache-2.0
// BlockWriter: writes large pieces of memory to a file in sequence, several at once, without the page cache; or to a
// stream, in order.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "output_file.hpp"
#include "patience.hpp"
#include "write_queue.hpp"

namespace capture {

/// How to write a file, where the kernel and the file system allow it.
struct WriterOptions {
    bool direct = true;                ///< by O_DIRECT; needs pieces aligned to BlockWriter::alignment
    bool uring = true;                 ///< by io_uring
    std::size_t writes_in_flight = 4;  ///< at least 1
    Patience patience{};               ///< with the reader of a stream
};

/// For one thread. A write that fails ends the file there: later pieces are not written, and count as complete at once,
/// so that the caller never waits for memory of a full disk. error() reports it.
class BlockWriter {
public:
    /// The largest alignment that O_DIRECT needs for addresses, offsets and lengths: the logical block size of any disk
    /// (open(2)).
    static constexpr std::size_t alignment = 4096;

    /// Writes a file that appears at `path` when it is finished, or an existing device or stream; "-" is standard
    /// output. Throws std::system_error.
    BlockWriter(std::string path, const WriterOptions& options);
    /// The same with the caller's queue, for tests.
    BlockWriter(std::string path, const WriterOptions& options, std::unique_ptr<WriteQueue> queue);
    BlockWriter(const BlockWriter&) = delete;
    BlockWriter& operator=(const BlockWriter&) = delete;
    /// Waits for writes in flight, and closes. A file that was not finished is removed.
    ~BlockWriter();

    /// Whether it writes bytes in sequence and at once: no offsets, no padding, no cutting at the end.
    bool is_stream() const noexcept { return kind_ == OutputFile::Kind::stream; }

    /// Puts `piece` at the end of the file. It must stay as it is until completed() has counted it. Address and length
    /// are multiples of `alignment`, but for a stream. Waits while as many as there may be are in flight, and as long
    /// as patience allows for a reader.
    void write(std::span<const std::uint8_t> piece);
    /// Collects completed writes; waits until no more than `max` are in flight.
    void wait(std::size_t max);
    /// Collects completed writes, without waiting.
    void poll();

    /// Returns the number of pieces that are written or never will be, in their order: the caller may reuse the pieces
    /// before this number.
    std::uint64_t completed() const noexcept { return completed_; }
    /// Pieces put so far.
    std::uint64_t queued() const noexcept { return queued_; }
    /// Bytes in the file, from its beginning, without a gap.
    std::uint64_t written_bytes() const noexcept { return written_bytes_; }
    /// The errno of the first write that failed, or 0.
    int error() const noexcept { return error_; }

    /// Waits for all writes, makes the file `bytes` long, closes it and puts it in its place; one of which nothing
    /// could be written is removed, and what was in its place stays. Throws std::system_error if that fails, not for a
    /// failed write.
    void finish(std::uint64_t bytes);
    /// Instead of finish(), after another failure: keeps what was written, and returns the name of the file; empty if
    /// there is none.
    std::string leave() noexcept;

    /// Returns the path, or "standard output".
    std::string name() const { return path_ == "-" ? "standard output" : path_; }
    /// Returns "O_DIRECT, io_uring with 4 writes in flight"; and why not, if either was wanted and cannot be used.
    std::string how() const;

private:
    /// The rest of a piece that is not written yet.
    struct Piece : Write {
        bool is_done = false;  ///< or failed, or never tried
        bool was_direct = false;
    };

    void submit(Piece& piece);
    void take_result(Piece& piece);
    void leave_direct(std::string_view why) noexcept;
    std::size_t in_flight() const noexcept { return static_cast<std::size_t>(queued_ - completed_); }
    Piece& piece(std::uint64_t number) noexcept { return pieces_[number % pieces_.size()]; }

    std::string path_;
    OutputFile::Kind kind_;
    OutputFile file_;  ///< unless it is a stream, which the queue owns
    bool is_direct_ = false;
    bool is_uring_ = false;
    std::string why_not_direct_;
    std::string why_not_uring_;
    std::vector<Piece> pieces_;
    std::unique_ptr<WriteQueue> queue_;  // ends before pieces_, which it writes from
    std::uint64_t queued_ = 0;
    std::uint64_t completed_ = 0;
    std::uint64_t end_ = 0;
    std::uint64_t written_bytes_ = 0;
    bool has_gap_ = false;
    int error_ = 0;
};

}  // namespace capture
