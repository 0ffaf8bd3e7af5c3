// SPDX-License-Identifier: Apache-2.0
#include "block_writer.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cassert>
#include <cerrno>
#include <stdexcept>
#include <system_error>
#include <utility>

namespace capture {

namespace {

[[noreturn]] void throw_errno(std::string_view verb, const std::string& path) {
    throw std::system_error{errno, std::generic_category(), fmt::format("cannot {} {}", verb, path)};
}

}  // namespace

BlockWriter::BlockWriter(std::string path, const WriterOptions& options)
    : BlockWriter{std::move(path), options, nullptr} {}

BlockWriter::BlockWriter(std::string path, const WriterOptions& options, std::unique_ptr<WriteQueue> queue)
    : path_{std::move(path)}, pieces_(std::max<std::size_t>(options.writes_in_flight, 1)), queue_{std::move(queue)} {
    if (!queue_ && options.uring) {
        queue_ = make_uring_queue(static_cast<unsigned>(pieces_.size()), why_not_uring_);
        is_uring_ = queue_ != nullptr;
    }
    if (!queue_) queue_ = make_pwrite_queue();
    open_file(options);
}

BlockWriter::~BlockWriter() {
    queue_.reset();
    if (file_ >= 0) ::close(file_);
}

void BlockWriter::open_file(const WriterOptions& options) {
    constexpr int flags = O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC;
    constexpr mode_t everybody_reads = 0644;
    if (options.direct) {
        file_ = ::open(path_.c_str(), flags | O_DIRECT, everybody_reads);
        is_direct_ = file_ >= 0;
        // open(2): EINVAL from a file system that has no O_DIRECT.
        if (!is_direct_ && errno == EINVAL) why_not_direct_ = "the file system has no O_DIRECT";
    }
    if (file_ < 0) file_ = ::open(path_.c_str(), flags, everybody_reads);
    if (file_ < 0) throw_errno("write", path_);
}

void BlockWriter::write(std::span<const std::uint8_t> bytes) {
    assert(reinterpret_cast<std::uintptr_t>(bytes.data()) % alignment == 0 && bytes.size() % alignment == 0);
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
    queue_->submit(file_, piece);
}

void BlockWriter::wait(std::size_t most) {
    for (poll(); in_flight() > most; poll()) {
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
        // Some file systems, and all that are mounted with certain options, refuse only now.
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
        written -= written % alignment;  // what came after the last whole unit is written once more
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
    ::fcntl(file_, F_SETFL, ::fcntl(file_, F_GETFL) & ~O_DIRECT);
}

void BlockWriter::finish(std::uint64_t bytes) {
    wait(0);
    struct stat status {};
    if (::fstat(file_, &status) != 0) throw_errno("look at", path_);
    // A device has no length to set.
    if (S_ISREG(status.st_mode) && ::ftruncate(file_, static_cast<off_t>(bytes)) != 0) throw_errno("cut", path_);
    // A file system on a network may tell only here that it had no room (close(2)).
    if (::close(std::exchange(file_, -1)) != 0) throw_errno("close", path_);
}

std::string BlockWriter::how() const {
    auto text = is_direct_ ? std::string{"O_DIRECT"} : std::string{"page cache"};
    if (!why_not_direct_.empty()) text += fmt::format(" ({})", why_not_direct_);
    text += is_uring_ ? fmt::format(", io_uring with {} writes in flight", pieces_.size()) : ", pwrite";
    if (!why_not_uring_.empty()) text += fmt::format(" ({})", why_not_uring_);
    return text;
}

}  // namespace capture
