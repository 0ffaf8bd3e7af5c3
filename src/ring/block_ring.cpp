// SPDX-License-Identifier: Apache-2.0
#include <pktverbs/ring/block_ring.hpp>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>

#include <cerrno>
#include <string_view>
#include <system_error>
#include <utility>

#include <pktverbs/verbs/error.hpp>

#include "ring/ring_mapping.hpp"

namespace pktverbs {

namespace {

/// Mode 0600: what is in packets is nobody else's business.
FileDescriptor open_named(const std::string& name, int flags, std::string_view what) {
    FileDescriptor file{::shm_open(name.c_str(), flags | O_RDWR | O_CLOEXEC, 0600)};
    if (file) return file;
    const int error = errno;
    verbs::throw_error(error, fmt::format("{} ring {}", what, name),
                       error == EEXIST   ? "attach to it, or remove it first"
                       : error == ENOENT ? "its producer has not made it yet"
                       : error == EINVAL ? "a name is a slash and then no other"
                                         : "");
}

FileDescriptor anonymous(bool huge_pages) {
    const unsigned flags = MFD_CLOEXEC | (huge_pages ? MFD_HUGETLB | MFD_HUGE_2MB : MFD_ALLOW_SEALING);
    FileDescriptor file{::memfd_create("pktverbs-ring", flags)};
    if (!file) verbs::throw_error(errno, "make memory for a ring", huge_pages ? "raise vm.nr_hugepages" : "");
    return file;
}

}  // namespace

BlockRing::BlockRing(std::shared_ptr<RingMapping> mapping) noexcept : mapping_{std::move(mapping)} {}

BlockRing::BlockRing(const RingGeometry& geometry, const Placement& placement)
    : mapping_{std::make_shared<RingMapping>(anonymous(placement.huge_pages), "(memfd)", geometry, placement)} {
    // Whoever is given the descriptor can't cut it short under us.
    if (!placement.huge_pages) ::fcntl(fd(), F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW);
}

BlockRing BlockRing::create(const std::string& name, const RingGeometry& geometry, const Placement& placement) {
    if (placement.huge_pages)
        verbs::throw_message(EOPNOTSUPP, fmt::format("cannot create ring {}: POSIX shared memory has no huge pages "
                                                     "(make it without a name, and pass its descriptor)",
                                                     name));
    const RingGeometry checked = geometry.checked();  // before there is a file
    FileDescriptor file = open_named(name, O_CREAT | O_EXCL, "create");
    try {
        return BlockRing{std::make_shared<RingMapping>(std::move(file), name, checked, placement)};
    } catch (...) {
        remove(name);
        throw;
    }
}

BlockRing BlockRing::attach(const std::string& name) {
    return BlockRing{std::make_shared<RingMapping>(open_named(name, 0, "attach to"), name)};
}

BlockRing BlockRing::attach(int fd) {
    FileDescriptor own{::fcntl(fd, F_DUPFD_CLOEXEC, 0)};
    if (!own) verbs::throw_error(errno, fmt::format("attach to a ring by descriptor {}", fd), "");
    return BlockRing{std::make_shared<RingMapping>(std::move(own), fmt::format("(descriptor {})", fd))};
}

BlockRing BlockRing::open(const std::string& name, const RingGeometry& geometry) {
    const RingGeometry checked = geometry.checked();
    try {
        BlockRing ring = attach(name);
        if (ring.geometry() == checked) return ring;
        verbs::throw_message(EEXIST, fmt::format("cannot open ring {}: it is there with {}, not {} (remove it first)",
                                                 name, ring.geometry(), checked));
    } catch (const std::system_error& error) {
        if (error.code().value() != ENOENT) throw;
    }
    return create(name, checked);
}

bool BlockRing::remove(const std::string& name) { return ::shm_unlink(name.c_str()) == 0; }

BlockRing::BlockRing(BlockRing&&) noexcept = default;
BlockRing& BlockRing::operator=(BlockRing&&) noexcept = default;
BlockRing::~BlockRing() = default;

const RingGeometry& BlockRing::geometry() const noexcept { return mapping_->view().geometry(); }
std::span<std::uint8_t> BlockRing::memory() const noexcept { return {mapping_->view().memory(), mapping_->size()}; }
int BlockRing::fd() const noexcept { return mapping_->fd(); }

std::uint32_t BlockRing::filled_blocks() const noexcept {
    const RingView& view = mapping_->view();
    std::uint32_t count = 0;
    for (std::uint32_t i = 0; i < view.geometry().blocks; ++i)
        count += RingState::kind(view.state(i).load(std::memory_order_relaxed)) == RingState::filled ? 1U : 0U;
    return count;
}

}  // namespace pktverbs
