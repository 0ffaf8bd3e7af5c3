// SPDX-License-Identifier: Apache-2.0
#include "memory/memory_file.hpp"

#include <fcntl.h>
#include <fmt/core.h>

#include <cerrno>
#include <string_view>

#include <pktverbs/verbs/error.hpp>

namespace pktverbs {

namespace {

std::string_view kind_of(mode_t mode) noexcept {
    switch (mode & S_IFMT) {
        case S_IFDIR:
            return "a folder";
        case S_IFIFO:
            return "a pipe";
        case S_IFSOCK:
            return "a socket";
        case S_IFCHR:
        case S_IFBLK:
            return "a device";
    }
    return "something else";
}

}  // namespace

void check_memory_file(const struct stat& status, int seals, uid_t user, const std::string& what) {
    const auto refuse = [&](int error, std::string_view reason, std::string_view hint) {
        verbs::throw_message(error, fmt::format("cannot {}: {} ({})", what, reason, hint));
    };
    if (!S_ISREG(status.st_mode))
        refuse(EINVAL, fmt::format("it is {}", kind_of(status.st_mode)), "shared memory is a file");
    if (seals != -1 && (seals & F_SEAL_SHRINK) != 0) return;
    const bool others_may_open_it = (status.st_mode & (S_IRWXG | S_IRWXO)) != 0;
    // A memfd: a sealable one starts without seals; others have F_SEAL_SEAL, like a file in /dev/shm, and all modes
    // (fcntl(2), memfd_create(2)).
    if (seals == 0 || (status.st_nlink == 0 && others_may_open_it))
        refuse(EPERM, "any process that has it can truncate it under its users",
               "its maker must seal it: memfd_create with MFD_ALLOW_SEALING, then fcntl F_ADD_SEALS, F_SEAL_SHRINK");
    if (status.st_uid != user)
        refuse(EPERM, fmt::format("it belongs to user {}, and this process is user {}", status.st_uid, user),
               "take another name, or have its owner pass a descriptor of sealed memory");
    if (others_may_open_it)
        refuse(EPERM, fmt::format("its mode is {:04o}: other users may open it, too", status.st_mode & 07777),
               "chmod 600, or pass a descriptor of sealed memory");
}

}  // namespace pktverbs
