// SPDX-License-Identifier: Apache-2.0
#include "soft/link/pcap/recorder.hpp"

#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <ctime>

#include <fmt/core.h>

#include <pktverbs/verbs/error.hpp>

#include "base/blocked_signals.hpp"

namespace pktverbs::soft::pcap {
namespace {

bool is_file(int fd) noexcept {
    struct stat status {};
    return ::fstat(fd, &status) == 0 && S_ISREG(status.st_mode);
}

/// Emptied only once it is known that nobody else writes there.
FileDescriptor open_recording(const std::string& path) {
    const auto fail = [&](int error, std::string_view hint) {
        verbs::throw_error(error, fmt::format("record to {}", path), hint);
    };
    FileDescriptor file{path == "-" ? ::fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 0)
                                    : ::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | O_NOCTTY, 0600)};
    if (!file) fail(errno, {});
    if (!is_file(file.get())) return file;
    if (::flock(file.get(), LOCK_EX | LOCK_NB) != 0)
        fail(errno == EWOULDBLOCK ? EBUSY : errno, "another device records there: take another file");
    if (path != "-" && ::ftruncate(file.get(), 0) != 0) fail(errno, {});
    return file;
}

std::chrono::nanoseconds time_of_day() noexcept {
    timespec now{};
    ::clock_gettime(CLOCK_REALTIME, &now);
    return std::chrono::seconds{now.tv_sec} + std::chrono::nanoseconds{now.tv_nsec};
}

std::span<const std::uint8_t> bytes_of(const ibv_sge& sge) noexcept {
    return {reinterpret_cast<const std::uint8_t*>(sge.addr), sge.length};
}

}  // namespace

Recorder::Recorder(const std::string& path, std::uint32_t max_frame)
    : file_{open_recording(path)},
      is_stream_{!is_file(file_.get())},
      writer_{file_.get(), "pktverbs", {.name = "pcap"}},
      scratch_(max_frame) {
    if (!flush()) verbs::throw_error(error(), fmt::format("record to {}", path), {});
}

bool Recorder::record(std::span<const TxFrame> frames) noexcept {
    const auto now = time_of_day();
    for (const TxFrame& frame : frames) {
        if (frame.sge_count == 1) {
            writer_.add(bytes_of(frame.sges[0]), now);
            continue;
        }
        std::size_t used = 0;
        for (const ibv_sge& sge : std::span{frame.sges, frame.sge_count}) {
            if (sge.length == 0) continue;
            std::memcpy(&scratch_[used], bytes_of(sge).data(), sge.length);
            used += sge.length;
        }
        writer_.add(std::span{scratch_}.first(used), now);
    }
    return flush();
}

/// The end of a pipe's reader is an error, and does not end the program by SIGPIPE.
bool Recorder::flush() noexcept {
    if (!is_stream_) return writer_.flush();
    sigset_t broken_pipe;
    sigemptyset(&broken_pipe);
    sigaddset(&broken_pipe, SIGPIPE);
    const BlockedSignals blocked{broken_pipe};
    const bool had_failed = error() != 0;
    const bool written = writer_.flush();
    // write(2) sends it to the thread that writes.
    const timespec at_once{};
    if (!had_failed && error() == EPIPE) ::sigtimedwait(&broken_pipe, nullptr, &at_once);
    return written;
}

}  // namespace pktverbs::soft::pcap
