// SPDX-License-Identifier: Apache-2.0
#include "stream.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <system_error>
#include <utility>

namespace capture {

namespace {

using Clock = std::chrono::steady_clock;

/// No event reports that a FIFO gets its reader, or that the time to wait has changed, so check this often.
constexpr std::chrono::milliseconds a_look{20};

/// open(2): ENXIO if the FIFO is not open for reading.
int open_to_write(const char* path) noexcept { return ::open(path, O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC); }

}  // namespace

Stream::Stream(std::string path, int file, bool blocks, Patience patience) noexcept
    : path_{std::move(path)}, file_{file}, blocks_{blocks}, patience_{std::move(patience)} {}

Stream Stream::standard_output(Patience patience) {
    struct stat status {};
    int file = -1;
    // A description of its own: other processes may use the original, which must stay blocking.
    if (::fstat(STDOUT_FILENO, &status) == 0 && S_ISFIFO(status.st_mode)) file = open_to_write("/proc/self/fd/1");
    const bool blocks = file < 0 && !S_ISREG(status.st_mode);
    if (file < 0) file = ::fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    if (file < 0) throw std::system_error{errno, std::generic_category(), "cannot write standard output"};
    return {"standard output", file, blocks, std::move(patience)};
}

Stream Stream::open(std::string path, Patience patience) {
    const int file = open_to_write(path.c_str());
    if (file < 0 && errno != ENXIO)
        throw std::system_error{errno, std::generic_category(), fmt::format("cannot write {}", path)};
    return {std::move(path), file, false, std::move(patience)};
}

Stream::Stream(Stream&& other) noexcept
    : path_{std::move(other.path_)},
      file_{std::exchange(other.file_, -1)},
      blocks_{other.blocks_},
      patience_{std::move(other.patience_)} {}

Stream::~Stream() { close(); }

int Stream::close() noexcept {
    if (file_ < 0) return 0;
    return ::close(std::exchange(file_, -1)) == 0 ? 0 : errno;
}

/// Waits until there is room. Returns 0 or an errno.
int Stream::wait() noexcept {
    Clock::time_point impatient{};
    bool is_impatient = false;
    for (;;) {
        if (file_ < 0 && (file_ = open_to_write(path_.c_str())) < 0 && errno != ENXIO) return errno;
        pollfd room{.fd = file_, .events = POLLOUT, .revents = 0};  // a negative descriptor is none: it sleeps
        const int ready = ::poll(&room, 1, static_cast<int>(a_look.count()));
        if (ready > 0) return 0;  // also for an error, which the write reports
        if (ready < 0 && errno != EINTR) return errno;
        const auto limit = patience_.limit();
        if (!limit) continue;
        // A reader that never came has nothing to finish.
        if (file_ < 0 && patience_.interrupted.stop_requested()) return ENXIO;
        if (!std::exchange(is_impatient, true)) impatient = Clock::now();
        if (Clock::now() - impatient >= *limit) return file_ < 0 ? ENXIO : ETIMEDOUT;
    }
}

std::int64_t Stream::write(const std::uint8_t* bytes, std::size_t count) noexcept {
    for (;;) {
        if (const int error = wait(); error != 0) return -error;
        // pipe(7): when poll(2) returns, there is room for this much.
        const auto written = ::write(file_, bytes, blocks_ ? std::min<std::size_t>(count, PIPE_BUF) : count);
        if (written > 0 || count == 0) return written;
        if (written == 0) return -EIO;
        if (errno != EAGAIN && errno != EINTR) return -errno;
    }
}

}  // namespace capture
