// SPDX-License-Identifier: Apache-2.0
// SharedMemory: a mapping shared by processes, without or with a name.
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

/// Owns memory that other processes can map as well.
///
/// Move-only. Mapped to read and write; zeroed when it is created. Functions throw std::system_error. A Region of it
/// can be received into like any other.
///
/// A process that can shrink the file can kill those that have it mapped (SIGBUS, mmap(2)). So memory from elsewhere is
/// mapped only if it is sealed against that (fcntl(2), F_SEAL_SHRINK), or if this user owns it and no one else may open
/// it; otherwise it fails with EPERM and the reason. It fails with EINVAL for anything but a file: a pipe, a device, a
/// folder.
class PKTVERBS_EXPORT SharedMemory {
public:
    /// No memory.
    SharedMemory() noexcept = default;
    /// Creates memory without a name, which others map through fd(), after fork() or over a Unix socket
    /// (memfd_create(2)). `bytes` are rounded up to whole pages. It is sealed: it cannot shrink, and no other seal can
    /// be added; for huge pages that needs Linux 4.16.
    static SharedMemory anonymous(std::size_t bytes, PageSize pages = PageSize::normal);
    /// Creates memory that others open by its name, "/name" (shm_overview(7)). The name appears once `prepare` has
    /// written what they expect; if this process dies before, nothing is left. Fails with EEXIST if the name is taken.
    /// The name stays until unlink(), also after this process has died. Processes of the same user can shrink it, so
    /// prefer anonymous().
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
    /// Opens memory by its name, and maps all of it. Fails with ENOENT if there is none.
    static SharedMemory open(const std::string& name);
    /// Maps memory whose descriptor came from elsewhere. Takes over the descriptor, which must be open for reading and
    /// writing.
    static SharedMemory adopt(int fd);
    /// Removes the name; processes that have the memory mapped keep it. A name that doesn't exist is no error.
    static void unlink(const std::string& name) noexcept;

    SharedMemory(SharedMemory&& other) noexcept { swap(other); }
    SharedMemory& operator=(SharedMemory&& other) noexcept {
        SharedMemory{std::move(other)}.swap(*this);
        return *this;
    }
    ~SharedMemory();

    /// Returns its start; null if there is none.
    std::uint8_t* data() const noexcept { return data_; }
    /// Returns its length in bytes.
    std::size_t size() const noexcept { return size_; }
    /// Returns all of it.
    std::span<std::uint8_t> bytes() const noexcept { return {data_, size_}; }
    /// Returns the descriptor, which this object owns.
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
