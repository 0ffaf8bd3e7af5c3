// SPDX-License-Identifier: Apache-2.0
#include "block_writer.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cassert>
#include <cerrno>
#include <stdexcept>
#include <system_error>
#include <utility>

namespace capture {

BlockWriter::BlockWriter(std::string path, const WriterOptions& options)
    : BlockWriter{std::move(path), options, nullptr} {}

BlockWriter::BlockWriter(std::string path, const WriterOptions& options, std::unique_ptr<WriteQueue> queue)
    : path_{std::move(path)},
      kind_{OutputFile::kind_of(path_)},
      pieces_(std::max<std::size_t>(options.writes_in_flight, 1)),
      queue_{std::move(queue)} {
    if (is_stream()) {
        if (!queue_)
            queue_ = make_stream_queue(path_ == "-" ? Stream::standard_output(options.patience)
                                                    : Stream::open(path_, options.patience));
        return;
    }
    if (!queue_ && options.uring) {
        queue_ = make_uring_queue(static_cast<unsigned>(pieces_.size()), why_not_uring_);
        is_uring_ = queue_ != nullptr;
    }
    if (!queue_) queue_ = make_pwrite_queue();
    file_ = OutputFile{path_, kind_};
    if (!options.direct) return;
    // fcntl(2): EINVAL from a file system that has no O_DIRECT.
    is_direct_ = file_.set_direct(true);
    if (!is_direct_) why_not_direct_ = "the file system has no O_DIRECT";
}

BlockWriter::~BlockWriter() { queue_.reset(); }

void BlockWriter::write(std::span<const std::uint8_t> bytes) {
    assert(is_stream() ||
           (reinterpret_cast<std::uintptr_t>(bytes.data()) % alignment == 0 && bytes.size() % alignment == 0));
    wait(pieces_.size() - 1);
    Piece& next = piece(queued_++);
    next = Piece{{.data = bytes.data(), .bytes = bytes.size(), .offset = end_}};
    end_ += bytes.size();
    if (error_ == 0)
        submit(next);
    else
        next.is_done = true;
    poll();
}

void BlockWriter::submit(Piece& piece) {
    piece.was_direct = is_direct_;
    queue_->submit(file_.descriptor(), piece);
}

void BlockWriter::wait(std::size_t max) {
    for (poll(); in_flight() > max; poll()) {
        Write* done = queue_->take_done(true);
        if (!done) throw std::logic_error{fmt::format("a write to {} doesn't end", path_)};
        take_result(static_cast<Piece&>(*done));
    }
}

void BlockWriter::poll() {
    while (Write* done = queue_->take_done(false)) take_result(static_cast<Piece&>(*done));
    for (; completed_ < queued_ && piece(completed_).is_done; ++completed_) {
        const Piece& first = piece(completed_);
        if (has_gap_) continue;
        written_bytes_ = first.offset;
        has_gap_ = first.bytes > 0;
    }
}

void BlockWriter::take_result(Piece& piece) {
    if (piece.result == -EINTR || piece.result == -EAGAIN) return submit(piece);
    if (piece.result == -EINVAL && piece.was_direct) {
        // Some file systems, and others with certain mount options, refuse only here.
        leave_direct("the file system refused it");
        return submit(piece);
    }
    if (piece.result <= 0 && piece.bytes > 0) {
        piece.is_done = true;
        if (error_ == 0) error_ = piece.result < 0 ? static_cast<int>(-piece.result) : EIO;
        return;
    }
    auto written = static_cast<std::size_t>(piece.result);
    if (written < piece.bytes && piece.was_direct) {
        written -= written % alignment;  // the bytes after the last whole unit are written again
        if (written == 0) leave_direct("it wrote less than its own unit");
    }
    piece.data += written;
    piece.offset += written;
    piece.bytes -= written;
    if (piece.bytes > 0) return submit(piece);
    piece.is_done = true;
}

void BlockWriter::leave_direct(std::string_view why) noexcept {
    if (!is_direct_) return;
    is_direct_ = false;
    why_not_direct_ = why;
    file_.set_direct(false);
}

void BlockWriter::finish(std::uint64_t bytes) {
    wait(0);
    if (is_stream()) {
        const int error = queue_->close();
        if (error != 0) throw std::system_error{error, std::generic_category(), fmt::format("cannot close {}", name())};
    } else if (bytes == 0 && error_ != 0) {
        file_ = {};
    } else {
        file_.keep(bytes);
    }
}

std::string BlockWriter::leave() noexcept {
    try {
        wait(0);
    } catch (const std::logic_error&) {
        // Does not wait for writes that may never end.
    }
    return file_.leave();
}

std::string BlockWriter::how() const {
    if (is_stream()) return "in order";
    auto text = is_direct_ ? std::string{"O_DIRECT"} : std::string{"page cache"};
    if (!why_not_direct_.empty()) text += fmt::format(" ({})", why_not_direct_);
    text += is_uring_ ? fmt::format(", io_uring with {} writes in flight", pieces_.size()) : ", pwrite";
    if (!why_not_uring_.empty()) text += fmt::format(" ({})", why_not_uring_);
    return text;
}

}  // namespace capture
