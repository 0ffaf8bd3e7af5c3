// SPDX-License-Identifier: Apache-2.0
#include <pktverbs/ring/block_ring.hpp>

#include <fcntl.h>

#include <cerrno>
#include <system_error>
#include <utility>

#include <pktverbs/format.hpp>
#include <pktverbs/verbs/error.hpp>

#include "ring/ring_mapping.hpp"

namespace pktverbs {

namespace {

/// How often open() retries because another process made or removed the ring in between.
constexpr int open_tries = 100;

}  // namespace

BlockRing::BlockRing(std::shared_ptr<RingMapping> mapping) noexcept : mapping_{std::move(mapping)} {}

BlockRing::BlockRing(const RingGeometry& geometry, PageSize pages) {
    const RingLayout layout{geometry.checked()};
    SharedMemory memory = SharedMemory::anonymous(layout.total_bytes, pages);
    write_ring(memory.bytes(), layout);
    mapping_ = std::make_shared<RingMapping>(std::move(memory), "without a name");
}

BlockRing BlockRing::create(const std::string& name, const RingGeometry& geometry) {
    const RingLayout layout{geometry.checked()};
    SharedMemory memory = SharedMemory::create(name, layout.total_bytes,
                                               [&](std::span<std::uint8_t> bytes) { write_ring(bytes, layout); });
    return BlockRing{std::make_shared<RingMapping>(std::move(memory), name)};
}

BlockRing BlockRing::attach(const std::string& name) {
    return BlockRing{std::make_shared<RingMapping>(SharedMemory::open(name), name)};
}

BlockRing BlockRing::attach(int fd) {
    const int own = ::fcntl(fd, F_DUPFD_CLOEXEC, 0);
    if (own < 0) verbs::throw_error(errno, fmt::format("attach to a ring by descriptor {}", fd), "");
    return BlockRing{std::make_shared<RingMapping>(SharedMemory::adopt(own), fmt::format("of descriptor {}", fd))};
}

BlockRing BlockRing::open(const std::string& name, const RingGeometry& geometry) {
    const RingGeometry checked = geometry.checked();
    for (int tries = 0; tries < open_tries; ++tries) {
        try {
            BlockRing ring = attach(name);
            if (ring.geometry() == checked) return ring;
            verbs::throw_message(EEXIST,
                                 fmt::format("cannot open ring {}: it is there with {}, not {} (remove it first)", name,
                                             ring.geometry(), checked));
        } catch (const std::system_error& error) {
            if (error.code().value() != ENOENT) throw;
        }
        try {
            return create(name, checked);
        } catch (const std::system_error& error) {
            if (error.code().value() != EEXIST) throw;
        }
    }
    verbs::throw_message(EAGAIN, fmt::format("cannot open ring {}: others make and remove it all the time", name));
}

void BlockRing::remove(const std::string& name) noexcept { SharedMemory::unlink(name); }

BlockRing::BlockRing(BlockRing&&) noexcept = default;
BlockRing& BlockRing::operator=(BlockRing&&) noexcept = default;
BlockRing::~BlockRing() = default;

const RingGeometry& BlockRing::geometry() const noexcept { return mapping_->view().geometry(); }
std::span<std::uint8_t> BlockRing::memory() const noexcept { return mapping_->memory().bytes(); }
int BlockRing::fd() const noexcept { return mapping_->memory().fd(); }

Layout BlockRing::recv_layout() const {
    Layout layout;
    if (geometry().header_bytes != 0) layout.chunk(geometry().header_bytes);
    return layout.chunk(geometry().payload_bytes);
}

std::uint32_t BlockRing::filled_blocks() const noexcept {
    const RingView& view = mapping_->view();
    std::uint32_t count = 0;
    for (std::uint32_t i = 0; i < view.geometry().blocks; ++i)
        count += RingState::kind(view.state(i).load(std::memory_order_relaxed)) == RingState::filled ? 1U : 0U;
    return count;
}

}  // namespace pktverbs
