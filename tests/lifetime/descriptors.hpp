// SPDX-License-Identifier: Apache-2.0
// The process's descriptors, as listed in /proc.
#pragma once

#include <fcntl.h>
#include <poll.h>

#include <charconv>
#include <filesystem>
#include <set>
#include <string>

namespace pktverbs::testing {

inline std::set<int> open_descriptors() {
    std::set<int> all;
    for (const auto& entry : std::filesystem::directory_iterator{"/proc/self/fd"}) {
        const std::string name = entry.path().filename();
        int fd = -1;
        std::from_chars(name.data(), name.data() + name.size(), fd);
        // The descriptor that lists them is already closed.
        if (::fcntl(fd, F_GETFD) >= 0) all.insert(fd);
    }
    return all;
}

/// The new descriptors that would survive exec.
inline std::set<int> kept_by_exec(const std::set<int>& before) {
    std::set<int> kept;
    for (const int fd : open_descriptors())
        if (!before.contains(fd) && (::fcntl(fd, F_GETFD) & FD_CLOEXEC) == 0) kept.insert(fd);
    return kept;
}

inline bool is_readable(int fd) {
    pollfd one{fd, POLLIN, 0};
    return ::poll(&one, 1, 0) > 0;
}

}  // namespace pktverbs::testing
