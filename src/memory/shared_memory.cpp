// SPDX-License-Identifier: Apache-2.0
#include <pktverbs/memory/shared_memory.hpp>

#include <fcntl.h>
#include <fmt/core.h>
#include <linux/memfd.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <string_view>

#include <pktverbs/verbs/error.hpp>

#include "memory/memory_file.hpp"

namespace pktverbs {

namespace {

unsigned memfd_flags(PageSize pages) noexcept {
    switch (pages) {
        case PageSize::normal:
            break;
        case PageSize::huge_2m:
            return MFD_ALLOW_SEALING | MFD_HUGETLB | MFD_HUGE_2MB;
        case PageSize::huge_1g:
            return MFD_ALLOW_SEALING | MFD_HUGETLB | MFD_HUGE_1GB;
    }
    return MFD_ALLOW_SEALING;
}

/// Refuses sizes that the machine could never hold: the kernel would not, and touching the pages would kill a process.
std::size_t checked(std::size_t bytes, PageSize pages, const std::string& what) {
    struct sysinfo machine {};
    ::sysinfo(&machine);
    const std::uint64_t most = (std::uint64_t{machine.totalram} + machine.totalswap) * machine.mem_unit;
    if (bytes == 0) verbs::throw_error(EINVAL, fmt::format("{} of 0 bytes", what), {});
    if (bytes > most)
        verbs::throw_error(ENOMEM, fmt::format("{} of {} bytes", what, bytes), fmt::format("the machine has {}", most));
    const std::size_t page = page_bytes(pages);
    return (bytes + page - 1) / page * page;
}

/// The folder of shm_open(3)'s names, with glibc and musl.
constexpr std::string_view folder = "/dev/shm";

std::string path_of(const std::string& name, const std::string& what) {
    const std::string own = name.substr(name.starts_with('/') ? 1 : 0);
    if (own.empty() || own == "." || own == ".." || own.find('/') != std::string::npos)
        verbs::throw_error(EINVAL, what, "a name begins with a slash and has no other");
    return fmt::format("{}/{}", folder, own);
}

}  // namespace

SharedMemory SharedMemory::anonymous(std::size_t bytes, PageSize pages) {
    const std::string what = "make shared memory";
    const auto size = static_cast<off_t>(checked(bytes, pages, what));
    SharedMemory made;
    made.fd_ = ::memfd_create("pktverbs", MFD_CLOEXEC | memfd_flags(pages));
    if (made.fd_ < 0) verbs::throw_error(errno, what, {});
    if (::ftruncate(made.fd_, size) != 0) verbs::throw_error(errno, what, {});
    if (::fcntl(made.fd_, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_SEAL) != 0)
        verbs::throw_error(errno, what, "it cannot be sealed");
    made.map(what);
    return made;
}

SharedMemory SharedMemory::create(const std::string& name, std::size_t bytes, PrepareCall prepare, const void* call) {
    const std::string what = fmt::format("create the shared memory {}", name);
    const auto size = static_cast<off_t>(checked(bytes, PageSize::normal, what));
    const std::string path = path_of(name, what);
    const auto refuse_taken = [&] {
        verbs::throw_error(EEXIST, what, "it is in use, or was left behind: unlink it, or open it");
    };
    // Check before allocating memory, which may fail or be for nothing.
    struct stat status {};
    if (::lstat(path.c_str(), &status) == 0) refuse_taken();
    SharedMemory made;
    made.fd_ = ::open(folder.data(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (made.fd_ < 0) verbs::throw_error(errno, what, "/dev/shm must be a tmpfs, and writable");
    // /dev/shm has its own limit; beyond it, touching pages kills (SIGBUS). posix_fallocate(3) returns the error and
    // does not set errno.
    struct statvfs room {};
    if (::fstatvfs(made.fd_, &room) == 0 && room.f_blocks != 0 && bytes > std::uint64_t{room.f_bavail} * room.f_frsize)
        verbs::throw_error(ENOSPC, what, "its file system has less: see df /dev/shm");
    if (const int error = ::posix_fallocate(made.fd_, 0, size); error != 0) verbs::throw_error(error, what, {});
    made.map(what);
    if (prepare) prepare(call, made.bytes());
    // As open(2) describes for O_TMPFILE.
    const std::string own = fmt::format("/proc/self/fd/{}", made.fd_);
    if (::linkat(AT_FDCWD, own.c_str(), AT_FDCWD, path.c_str(), AT_SYMLINK_FOLLOW) != 0) {
        if (errno == EEXIST) refuse_taken();
        verbs::throw_error(errno, what, errno == ENOENT ? "is /proc mounted?" : "");
    }
    return made;
}

SharedMemory SharedMemory::open(const std::string& name) {
    const std::string what = fmt::format("open the shared memory {}", name);
    SharedMemory opened;
    path_of(name, what);
    // Non-blocking: otherwise open() would wait for a lease on the file, or for a device in its place.
    opened.fd_ = ::shm_open(name.c_str(), O_RDWR | O_CLOEXEC | O_NONBLOCK, 0);
    if (opened.fd_ < 0) verbs::throw_error(errno, what, errno == ENOENT ? "it has not been created" : "");
    opened.map(what);
    return opened;
}

SharedMemory SharedMemory::adopt(int fd) {
    SharedMemory adopted;
    adopted.fd_ = fd;
    adopted.map("map shared memory");
    return adopted;
}

void SharedMemory::unlink(const std::string& name) noexcept { ::shm_unlink(name.c_str()); }

void SharedMemory::map(const std::string& what) {
    struct stat status {};
    if (::fstat(fd_, &status) != 0) verbs::throw_error(errno, what, {});
    check_memory_file(status, ::fcntl(fd_, F_GET_SEALS), ::geteuid(), what);
    if (status.st_size <= 0) verbs::throw_error(ENODATA, what, "it is empty: its maker died, or it was cut short");
    const auto bytes = static_cast<std::size_t>(status.st_size);
    void* data = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd_, 0);
    if (data == MAP_FAILED)
        verbs::throw_error(errno, what,
                           errno == ENOMEM   ? "for huge pages: raise vm.nr_hugepages"
                           : errno == EACCES ? "the descriptor must be open for reading and writing"
                           : errno == EPERM  ? "it is sealed against writing"
                                             : "");
    data_ = static_cast<std::uint8_t*>(data);
    size_ = bytes;
}

SharedMemory::~SharedMemory() {
    if (data_) ::munmap(data_, size_);
    if (fd_ >= 0) ::close(fd_);
}

}  // namespace pktverbs
