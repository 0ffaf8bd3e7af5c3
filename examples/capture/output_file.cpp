// SPDX-License-Identifier: Apache-2.0
#include "output_file.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string_view>
#include <system_error>
#include <utility>

namespace capture {

namespace {

[[noreturn]] void throw_error(int error, std::string_view verb, const std::string& path) {
    throw std::system_error{error, std::generic_category(), fmt::format("cannot {} {}", verb, path)};
}

/// Resolves symbolic links; returns the path itself if there is no file yet.
std::string real_path(const std::string& path) {
    const std::unique_ptr<char, decltype(&std::free)> real{::realpath(path.c_str(), nullptr), &std::free};
    return real ? real.get() : path;
}

}  // namespace

OutputFile::Kind OutputFile::kind_of(const std::string& path) {
    if (path == "-") return Kind::stream;
    struct stat status {};
    if (::stat(path.c_str(), &status) != 0) {
        if (errno == ENOENT) return Kind::file;
        throw_error(errno, "write", path);
    }
    switch (status.st_mode & S_IFMT) {
        case S_IFREG:
            return Kind::file;
        case S_IFIFO:
            return Kind::stream;
        case S_IFBLK:
            return Kind::device;
        case S_IFCHR: {
            const int device = ::open(path.c_str(), O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
            if (device < 0) throw_error(errno, "write", path);
            const bool has_places = ::lseek(device, 0, SEEK_CUR) >= 0;
            ::close(device);
            return has_places ? Kind::device : Kind::stream;
        }
        case S_IFDIR:
            throw_error(EISDIR, "write", path);
        default:
            throw_error(ENXIO, "write", path);
    }
}

OutputFile::OutputFile(const std::string& path, Kind kind) : path_{path} {
    if (kind == Kind::device) {
        descriptor_ = ::open(path.c_str(), O_WRONLY | O_NOCTTY | O_CLOEXEC);
        if (descriptor_ < 0) throw_error(errno, "write", path);
        return;
    }
    path_ = real_path(path);
    // A user without write access to a file must not replace it.
    if (::access(path_.c_str(), W_OK) != 0 && errno != ENOENT) throw_error(errno, "write", path);
    growing_ = path_ + ".XXXXXX";
    descriptor_ = ::mkostemp(growing_.data(), O_CLOEXEC);  // mode 0600
    if (descriptor_ < 0) throw_error(errno, "write", path);
}

OutputFile::OutputFile(OutputFile&& other) noexcept
    : descriptor_{std::exchange(other.descriptor_, -1)},
      path_{std::move(other.path_)},
      growing_{std::move(other.growing_)} {}

OutputFile& OutputFile::operator=(OutputFile&& other) noexcept {
    if (this == &other) return *this;
    close_and_remove();
    descriptor_ = std::exchange(other.descriptor_, -1);
    path_ = std::move(other.path_);
    growing_ = std::move(other.growing_);
    return *this;
}

OutputFile::~OutputFile() { close_and_remove(); }

void OutputFile::close_and_remove() noexcept {
    if (descriptor_ < 0) return;
    const auto unwanted = leave();
    if (!unwanted.empty()) ::unlink(unwanted.c_str());
}

bool OutputFile::set_direct(bool direct) const noexcept {
    const int flags = ::fcntl(descriptor_, F_GETFL);
    return ::fcntl(descriptor_, F_SETFL, direct ? flags | O_DIRECT : flags & ~O_DIRECT) == 0;
}

void OutputFile::keep(std::uint64_t bytes) {
    const int file = std::exchange(descriptor_, -1);
    const auto name = std::exchange(growing_, {});
    // A device has no length to set.
    const int cut = name.empty() || ::ftruncate(file, static_cast<off_t>(bytes)) == 0 ? 0 : errno;
    // A network file system may report only here that it had no room (close(2)).
    const int closed = ::close(file) == 0 ? 0 : errno;
    const auto where = name.empty() ? path_ : fmt::format("{} (what was written is in {})", path_, name);
    if (cut != 0) throw_error(cut, "cut", where);
    if (closed != 0) throw_error(closed, "close", where);
    if (!name.empty() && std::rename(name.c_str(), path_.c_str()) != 0) throw_error(errno, "replace", where);
}

std::string OutputFile::leave() noexcept {
    if (descriptor_ >= 0) ::close(std::exchange(descriptor_, -1));
    return std::exchange(growing_, {});
}

}  // namespace capture
