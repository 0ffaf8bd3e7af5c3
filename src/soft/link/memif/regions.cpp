// SPDX-License-Identifier: Apache-2.0
#include "soft/link/memif/regions.hpp"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <system_error>

#include <fmt/core.h>

#include "soft/link/memif/refusal.hpp"
#include "soft/link/memif/ring.hpp"

namespace pktverbs::soft::memif {

namespace {

constexpr std::uint64_t page = 4096;

std::uint64_t round_up(std::uint64_t bytes, std::uint64_t to) noexcept { return (bytes + to - 1) / to * to; }

FileDescriptor checked(int fd, const char* what) {
    if (fd < 0) throw std::system_error{errno, std::generic_category(), what};
    return FileDescriptor{fd};
}

OfferedRing make_ring(std::uint64_t offset, std::uint8_t log2_slots) {
    return {0, static_cast<std::uint32_t>(offset), log2_slots,
            checked(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), "cannot make an eventfd for memif")};
}

}  // namespace

Regions::~Regions() {
    for (const Mapped& region : mapped_) munmap(region.base, region.bytes);
}

void Regions::add(const OfferedRegion& region) {
    const std::size_t index = mapped_.size();
    const int seals = fcntl(region.memory.get(), F_GET_SEALS);
    // An access to pages that were cut off would end this process (SIGBUS, mmap(2)).
    if (seals < 0 || (seals & F_SEAL_SHRINK) == 0)
        throw Refusal{fmt::format("region {} could be truncated: it has no F_SEAL_SHRINK", index)};
    // Where there are no more of them, an access ends this process, too.
    struct statfs file_system {};
    if (fstatfs(region.memory.get(), &file_system) != 0 || file_system.f_type == HUGETLBFS_MAGIC)
        throw Refusal{fmt::format("region {} is of huge pages, which may be missing when they are used", index)};
    struct stat status {};
    if (fstat(region.memory.get(), &status) != 0 || status.st_size < 0 ||
        static_cast<std::uint64_t>(status.st_size) < region.bytes)
        throw Refusal{fmt::format("region {} is said to have {} bytes and has {}", index, region.bytes,
                                  static_cast<std::int64_t>(status.st_size))};
    mapped_.reserve(index + 1);
    void* const base = mmap(nullptr, region.bytes, PROT_READ | PROT_WRITE, MAP_SHARED, region.memory.get(), 0);
    if (base == MAP_FAILED)
        throw Refusal{fmt::format("cannot map region {} of {} bytes: {}", index, region.bytes, std::strerror(errno))};
    mapped_.push_back({static_cast<std::byte*>(base), region.bytes});
}

std::uint64_t OfferShape::ring_stride() const noexcept { return round_up(Ring::bytes(log2_slots), 64); }

std::uint64_t OfferShape::buffers_at(std::size_t ring) const noexcept {
    const std::uint64_t rings = round_up((std::uint64_t{to_server} + to_client) * ring_stride(), page);
    return rings + ring * (std::uint64_t{buffer_stride()} << log2_slots);
}

Offer make_offer(const OfferShape& shape) {
    Offer offer;
    FileDescriptor memory =
        checked(memfd_create("memif", MFD_CLOEXEC | MFD_ALLOW_SEALING), "cannot make memory for memif");
    if (ftruncate(memory.get(), static_cast<off_t>(shape.bytes())) != 0 ||
        fcntl(memory.get(), F_ADD_SEALS, F_SEAL_SHRINK) != 0)
        throw std::system_error{errno, std::generic_category(), "cannot make memory for memif"};
    offer.regions.push_back({shape.bytes(), std::move(memory)});
    for (std::size_t i = 0; i < std::size_t{shape.to_server} + shape.to_client; ++i)
        (i < shape.to_server ? offer.to_server : offer.to_client)
            .push_back(make_ring(i * shape.ring_stride(), shape.log2_slots));
    return offer;
}

}  // namespace pktverbs::soft::memif
