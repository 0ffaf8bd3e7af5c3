// SPDX-License-Identifier: Apache-2.0
// SharedMemory: memory that other processes map as well.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <utility>

#include <pktverbs/export.hpp>
#include <pktverbs/memory/memory.hpp>

namespace pktverbs {

/// Mapped to read and write, zeroed when it is made. Move-only. Throws std::system_error. A Region of it is received
/// into as any other.
///
/// Whoever can make the file smaller can kill those who have it mapped (SIGBUS, mmap(2)). So what comes from elsewhere
/// is mapped only if it is sealed against that (fcntl(2), F_SEAL_SHRINK), or if this user owns it and nobody else may
/// open it; otherwise EPERM, with the reason. EINVAL for what is no file: a pipe, a device, a folder.
class PKTVERBS_EXPORT SharedMemory {
public:
    SharedMemory() noexcept = default;
    /// Without a name in the file system: others get at it through fd(), by fork() or over a Unix socket
    /// (memfd_create(2)). `bytes` are rounded up to whole pages. It is sealed: it cannot be made smaller, and no other
    /// seal can be added; for huge pages that needs Linux 4.16.
    static SharedMemory anonymous(std::size_t bytes, PageSize pages = PageSize::normal);
    /// A new one that others open by its name, "/name" (shm_overview(7)), once `prepare` has put into it what they
    /// expect; if this process dies before, nothing is left. EEXIST if there is one. The name stays until unlink():
    /// also when this process dies. Processes of the same user can make it smaller: prefer anonymous().
    template <std::invocable<std::span<std::uint8_t>> Prepare>
    static SharedMemory create(const std::string& name, std::size_t bytes, const Prepare& prepare) {
        return create(
            name, bytes,
            [](const void* call, std::span<std::uint8_t> memory) { (*static_cast<const Prepare*>(call))(memory); },
            &prepare);
    }
    static SharedMemory create(const std::string& name, std::size_t bytes) {
        return create(name, bytes, nullptr, nullptr);
    }
    /// One that somebody made: all of it. ENOENT if there is none.
    static SharedMemory open(const std::string& name);
    /// One whose descriptor came from elsewhere; takes the descriptor, which must be open for reading and writing.
    static SharedMemory adopt(int fd);
    /// Takes the name away; those who have it mapped keep it. A name that isn't there is no error.
    static void unlink(const std::string& name) noexcept;

    SharedMemory(SharedMemory&& other) noexcept { swap(other); }
    SharedMemory& operator=(SharedMemory&& other) noexcept {
        SharedMemory{std::move(other)}.swap(*this);
        return *this;
    }
    ~SharedMemory();

    std::uint8_t* data() const noexcept { return data_; }
    std::size_t size() const noexcept { return size_; }
    std::span<std::uint8_t> bytes() const noexcept { return {data_, size_}; }
    /// Owned by this object.
    int fd() const noexcept { return fd_; }

private:
    using PrepareCall = void (*)(const void* call, std::span<std::uint8_t> memory);
    static SharedMemory create(const std::string& name, std::size_t bytes, PrepareCall prepare, const void* call);
    void map(const std::string& what);
    void swap(SharedMemory& other) noexcept {
        std::swap(fd_, other.fd_);
        std::swap(data_, other.data_);
        std::swap(size_, other.size_);
    }

    int fd_ = -1;
    std::uint8_t* data_ = nullptr;
    std::size_t size_ = 0;
};

}  // namespace pktverbs
