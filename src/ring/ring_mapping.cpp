// SPDX-License-Identifier: Apache-2.0
#include "ring/ring_mapping.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/mempolicy.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <cstring>
#include <iterator>
#include <new>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <pktverbs/verbs/error.hpp>

namespace pktverbs {

namespace {

[[noreturn]] void refuse(const std::string& name, std::string_view why) {
    verbs::throw_message(EPROTO, fmt::format("cannot attach to ring {}: {}", name, why));
}

/// Prefers a node for pages not yet touched. Returns 0 or an errno.
int prefer_node(void* data, std::size_t size, unsigned node) {
    constexpr std::size_t bits = sizeof(unsigned long) * CHAR_BIT;
    constexpr unsigned most_nodes = 1U << 15;
    if (node >= most_nodes) return EINVAL;
    std::vector<unsigned long> mask(node / bits + 1);
    mask[node / bits] = 1UL << (node % bits);
    // The kernel reads one bit less than it is told of (get_nodes() in mm/mempolicy.c).
    return ::syscall(SYS_mbind, data, size, MPOL_PREFERRED, mask.data(), mask.size() * bits + 1, 0U) == 0 ? 0 : errno;
}

}  // namespace

RingLayout check_ring(std::span<const std::uint8_t> memory, const std::string& name) {
    if (memory.size() < sizeof(RingHeader))
        refuse(name, fmt::format("it has {} bytes, too few for a header", memory.size()));
    const auto& shared = *reinterpret_cast<const RingHeader*>(memory.data());
    const std::uint64_t magic = shared.magic.load(std::memory_order_acquire);
    if (magic == 0) refuse(name, "it is being made, or is no ring (try again)");
    if (magic != RingHeader::magic_number) refuse(name, "it is no ring");
    // The other process may change them at any time: what is checked is a copy.
    struct {
        std::uint32_t version;
        std::uint32_t bytes;
        std::uint64_t total_bytes;
        RingGeometry geometry;
        std::uint64_t offsets[7];
    } said;
    constexpr std::size_t begin = offsetof(RingHeader, version);
    static_assert(sizeof said == offsetof(RingHeader, payloads_offset) + sizeof(std::uint64_t) - begin);
    std::memcpy(&said, memory.data() + begin, sizeof said);
    if (said.version != RingHeader::version_number)
        refuse(name, fmt::format("it has version {} of the layout, and this library knows {}", said.version,
                                 RingHeader::version_number));
    RingGeometry geometry;
    try {
        geometry = said.geometry.checked();
    } catch (const std::system_error& error) {
        refuse(name, fmt::format("its sizes are impossible: {}", error.what()));
    }
    const RingLayout layout{geometry};
    const std::uint64_t offsets[] = {layout.states_offset,  layout.blocks_offset, layout.block_stride,
                                     layout.bitmap_offset,  layout.slots_offset,  layout.headers_offset,
                                     layout.payloads_offset};
    static_assert(sizeof offsets == sizeof said.offsets);
    if (geometry != said.geometry || said.bytes != sizeof(RingHeader) || said.total_bytes != layout.total_bytes ||
        std::memcmp(offsets, said.offsets, sizeof offsets) != 0)
        refuse(name, "its offsets do not belong to its sizes");
    if (memory.size() < layout.total_bytes)
        refuse(name, fmt::format("it is cut short: {} of {} bytes", memory.size(), layout.total_bytes));
    return layout;
}

RingMapping::Mapped::~Mapped() {
    if (data) ::munmap(data, size);
}

void RingMapping::map(std::size_t size) {
    void* const data = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, file_.get(), 0);
    if (data == MAP_FAILED) verbs::throw_error(errno, fmt::format("map {} bytes of ring {}", size, name_), "");
    mapped_.data = static_cast<std::uint8_t*>(data);
    mapped_.size = size_ = size;
}

RingMapping::RingMapping(FileDescriptor file, std::string name, const RingGeometry& chosen,
                         const BlockRing::Placement& placement)
    : file_{std::move(file)}, name_{std::move(name)} {
    constexpr std::size_t huge_page = std::size_t{2} << 20;
    const RingLayout layout{chosen.checked()};
    std::size_t size = layout.total_bytes;
    if (placement.huge_pages) size = (size + huge_page - 1) / huge_page * huge_page;
    // Reserved now: without memory left, the process would get SIGBUS later, on touching it.
    const int error = ::posix_fallocate(file_.get(), 0, static_cast<off_t>(size));
    if (error != 0)
        verbs::throw_error(error, fmt::format("reserve {} bytes for ring {}", size, name_),
                           error != ENOSPC        ? ""
                           : placement.huge_pages ? "raise vm.nr_hugepages"
                                                  : "no memory is left, or /dev/shm is full");
    map(size);
    if (placement.numa_node >= 0) {
        const int refused = prefer_node(mapped_.data, size, static_cast<unsigned>(placement.numa_node));
        // ENOSYS: a kernel without NUMA. EPERM: a container that forbids mbind. Placement is a wish there.
        if (refused != 0 && refused != ENOSYS && refused != EPERM)
            verbs::throw_error(refused, fmt::format("place ring {} on NUMA node {}", name_, placement.numa_node),
                               refused == EINVAL ? "no such node: see /sys/devices/system/node/online" : "");
    }
    auto* const header = new (mapped_.data) RingHeader{};
    header->version = RingHeader::version_number;
    header->bytes = sizeof(RingHeader);
    header->total_bytes = layout.total_bytes;
    header->geometry = layout.geometry;
    header->states_offset = layout.states_offset;
    header->blocks_offset = layout.blocks_offset;
    header->block_stride = layout.block_stride;
    header->bitmap_offset = layout.bitmap_offset;
    header->slots_offset = layout.slots_offset;
    header->headers_offset = layout.headers_offset;
    header->payloads_offset = layout.payloads_offset;
    // States and blocks are zero, as the file is: free, at positions before the first.
    header->magic.store(RingHeader::magic_number, std::memory_order_release);
    view_ = RingView{mapped_.data, layout};
}

RingMapping::RingMapping(FileDescriptor file, std::string name) : file_{std::move(file)}, name_{std::move(name)} {
    struct stat about {};
    if (::fstat(file_.get(), &about) != 0) verbs::throw_error(errno, fmt::format("look at ring {}", name_), "");
    const auto size = static_cast<std::size_t>(about.st_size);
    if (size < sizeof(RingHeader)) refuse(name_, fmt::format("it has {} bytes, too few for a header", size));
    map(size);
    view_ = RingView{mapped_.data, check_ring({mapped_.data, size}, name_)};
}

RingMapping::~RingMapping() = default;

}  // namespace pktverbs
