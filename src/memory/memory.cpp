// SPDX-License-Identifier: Apache-2.0
// Memory: pages from mmap, placed on a NUMA node on request.
#include <linux/mempolicy.h>
#include <linux/mman.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <limits>
#include <vector>

#include <fmt/core.h>

#include <pktverbs/memory/memory.hpp>
#include <pktverbs/verbs/error.hpp>

namespace pktverbs {
namespace {

std::string_view unit(PageSize pages) noexcept {
    switch (pages) {
        case PageSize::normal:
            break;
        case PageSize::huge_2m:
            return " of huge pages";
        case PageSize::huge_1g:
            return " of 1 GiB pages";
    }
    return "";
}

std::string_view hint(PageSize pages) noexcept {
    switch (pages) {
        case PageSize::normal:
            break;
        case PageSize::huge_2m:
            return "raise vm.nr_hugepages";
        case PageSize::huge_1g:
            return "raise /sys/kernel/mm/hugepages/hugepages-1048576kB/nr_hugepages, or reserve pages at boot";
    }
    return "";
}

/// The page size is given: the machine's default huge page may have another size.
int mmap_flags(PageSize pages) noexcept {
    switch (pages) {
        case PageSize::normal:
            break;
        case PageSize::huge_2m:
            return MAP_HUGETLB | MAP_HUGE_2MB;
        case PageSize::huge_1g:
            return MAP_HUGETLB | MAP_HUGE_1GB;
    }
    return 0;
}

std::size_t round_up(std::size_t bytes, PageSize pages) {
    const std::size_t page = page_bytes(pages);
    if (bytes > std::numeric_limits<std::size_t>::max() - (page - 1))
        verbs::throw_error(ENOMEM, fmt::format("map {} bytes{}", bytes, unit(pages)), {});
    return (bytes + page - 1) / page * page;
}

/// Prefers a node for untouched pages: when the node is full, pages come from others, and the program is not killed.
/// Returns 0 or an errno. glibc has no mbind; libnuma is not worth a dependency for it.
int prefer_node(void* data, std::size_t size, unsigned node) {
    constexpr std::size_t bits = sizeof(unsigned long) * CHAR_BIT;
    constexpr unsigned max_nodes = 1U << 15;
    if (node >= max_nodes) return EINVAL;
    std::vector<unsigned long> mask(node / bits + 1);
    mask[node / bits] = 1UL << (node % bits);
    // The kernel reads one bit less than the given number (get_nodes() in mm/mempolicy.c).
    const std::size_t count = mask.size() * bits + 1;
    return ::syscall(SYS_mbind, data, size, MPOL_PREFERRED, mask.data(), count, 0U) == 0 ? 0 : errno;
}

}  // namespace

std::string_view to_string(PageSize pages) noexcept {
    switch (pages) {
        case PageSize::normal:
            return "normal";
        case PageSize::huge_2m:
            return "2 MiB";
        case PageSize::huge_1g:
            return "1 GiB";
    }
    return "unknown";
}

std::size_t page_bytes(PageSize pages) noexcept {
    switch (pages) {
        case PageSize::normal:
            break;
        case PageSize::huge_2m:
            return std::size_t{2} << 20;
        case PageSize::huge_1g:
            return std::size_t{1} << 30;
    }
    return static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
}

Memory::Memory(std::size_t bytes, Placement placement) {
    if (bytes == 0) return;
    const std::size_t size = round_up(bytes, placement.pages);
    const int flags = MAP_PRIVATE | MAP_ANONYMOUS | mmap_flags(placement.pages);
    void* data = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, flags, -1, 0);
    if (data == MAP_FAILED) {
        const int error = errno;
        verbs::throw_error(error, fmt::format("map {} bytes{}", size, unit(placement.pages)), hint(placement.pages));
    }
    Memory mapped;  // unmaps if the rest throws
    mapped.data_ = static_cast<std::uint8_t*>(data);
    mapped.size_ = size;

    // A NIC keeps writing to its registered pages; copy-on-write after fork() would move the parent to fresh ones
    // (ibv_fork_init(3)).
    if (::madvise(data, size, MADV_DONTFORK) != 0) verbs::throw_error(errno, "keep memory from forked children", {});
    if (placement.numa_node >= 0) {
        const int error = prefer_node(data, size, static_cast<unsigned>(placement.numa_node));
        // ENOSYS: a kernel without NUMA. EPERM: a container that forbids mbind. Placement is only a preference then.
        if (error != 0 && error != ENOSYS && error != EPERM)
            verbs::throw_error(error, fmt::format("place {} bytes on NUMA node {}", size, placement.numa_node),
                               error == EINVAL ? "no such node: see /sys/devices/system/node/online" : "");
    }
    *this = std::move(mapped);
}

Memory::~Memory() {
    if (data_) ::munmap(data_, size_);
}

}  // namespace pktverbs
