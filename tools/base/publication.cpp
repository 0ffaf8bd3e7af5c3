// SPDX-License-Identifier: Apache-2.0
#include "publication.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <exception>
#include <fstream>
#include <iterator>
#include <sstream>
#include <system_error>

namespace tool {

unsigned long long start_of(int process) {
    std::ifstream file{fmt::format("/proc/{}/stat", process)};
    const std::string text{std::istreambuf_iterator<char>{file}, {}};
    // Field 2 is the name in parentheses, and may have any characters. Field 3 follows the last of them.
    const auto end = text.rfind(')');
    if (end == std::string::npos) return 0;
    std::istringstream fields{text.substr(end + 1)};
    std::string skipped;
    for (int field = 3; field != 22; ++field) fields >> skipped;
    unsigned long long start = 0;
    return fields >> start ? start : 0;
}

Publication::Publication(std::string_view name)
    : name_{name}, path_{fmt::format("{}{}{}", folder, prefix, ::getpid())}, start_{start_of(::getpid())} {
    write(0, {});
}

Publication::~Publication() { ::unlink(path_.c_str()); }

void Publication::set(double seconds, std::string_view metrics) noexcept {
    try {
        write(seconds, metrics);
    } catch (const std::exception&) {
        // To look on must never end what is looked at.
    }
}

// Not write_whole_file(), which opens what is no regular file: in a folder that everybody writes to, strangers may have
// put a FIFO there. To rename onto a stranger's file there fails (sticky bit).
void Publication::write(double seconds, std::string_view metrics) {
    const auto text =
        fmt::format("{} {} {} {} {} {:.3f}\n{}", word, version, ::getpid(), start_, name_, seconds, metrics);
    std::string temporary = path_ + ".XXXXXX";
    const int fd = ::mkostemp(temporary.data(), O_CLOEXEC);
    const bool is_there = fd >= 0;
    int error = is_there ? 0 : errno;
    if (error == 0) {
        // A file in memory takes all at once, or is full.
        const auto written = ::write(fd, text.data(), text.size());
        if (written != static_cast<ssize_t>(text.size())) error = written < 0 ? errno : ENOSPC;
        if (error == 0 && ::fchmod(fd, 0644) != 0) error = errno;
        ::close(fd);
    }
    if (error == 0 && std::rename(temporary.c_str(), path_.c_str()) != 0) error = errno;
    if (error == 0) return;
    if (is_there) ::unlink(temporary.c_str());
    throw std::system_error{error, std::generic_category(), fmt::format("cannot publish in {}", path_)};
}

}  // namespace tool
