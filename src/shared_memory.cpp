// SPDX-License-Identifier: Apache-2.0
#include <pktverbs/shared_memory.hpp>

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

#include <pktverbs/verbs/error.hpp>

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

/// Refuses what the machine could never hold: nothing else would, and touching it would kill somebody.
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

}  // namespace

SharedMemory SharedMemory::anonymous(std::size_t bytes, PageSize pages) {
    const std::string what = "make shared memory";
    const auto size = static_cast<off_t>(checked(bytes, pages, what));
    SharedMemory made;
    made.fd_ = ::memfd_create("pktverbs", MFD_CLOEXEC | memfd_flags(pages));
    if (made.fd_ < 0) verbs::throw_error(errno, what, {});
    if (::ftruncate(made.fd_, size) != 0) verbs::throw_error(errno, what, {});
    if (::fcntl(made.fd_, F_ADD_SEALS, F_SEAL_SHRINK) != 0) verbs::throw_error(errno, what, "it cannot be sealed");
    made.map(what);
    return made;
}

SharedMemory SharedMemory::create(const std::string& name, std::size_t bytes) {
    const std::string what = fmt::format("create the shared memory {}", name);
    const auto size = static_cast<off_t>(checked(bytes, PageSize::normal, what));
    SharedMemory made;
    made.fd_ = ::shm_open(name.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (made.fd_ < 0)
        verbs::throw_error(errno, what, errno == EEXIST ? "somebody uses it, or died: unlink it, or open it" : "");
    try {
        // /dev/shm has a limit of its own; beyond it, touching pages kills (SIGBUS). The error is what is returned, not
        // errno (posix_fallocate(3)).
        struct statvfs room {};
        if (::fstatvfs(made.fd_, &room) == 0 && room.f_blocks != 0 &&
            bytes > std::uint64_t{room.f_bavail} * room.f_frsize)
            verbs::throw_error(ENOSPC, what, "its file system has less: see df /dev/shm");
        if (const int error = ::posix_fallocate(made.fd_, 0, size); error != 0) verbs::throw_error(error, what, {});
        made.map(what);
    } catch (...) {
        unlink(name);
        throw;
    }
    return made;
}

SharedMemory SharedMemory::open(const std::string& name) {
    const std::string what = fmt::format("open the shared memory {}", name);
    SharedMemory opened;
    opened.fd_ = ::shm_open(name.c_str(), O_RDWR | O_CLOEXEC, 0);
    if (opened.fd_ < 0) verbs::throw_error(errno, what, errno == ENOENT ? "nobody has created it" : "");
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
    if (status.st_size <= 0) verbs::throw_error(ENODATA, what, "it is empty: whoever creates it is not done, or died");
    const auto bytes = static_cast<std::size_t>(status.st_size);
    void* data = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd_, 0);
    if (data == MAP_FAILED)
        verbs::throw_error(errno, what, errno == ENOMEM ? "for huge pages: raise vm.nr_hugepages" : "");
    data_ = static_cast<std::uint8_t*>(data);
    size_ = bytes;
}

SharedMemory::~SharedMemory() {
    if (data_) ::munmap(data_, size_);
    if (fd_ >= 0) ::close(fd_);
}

}  // namespace pktverbs
