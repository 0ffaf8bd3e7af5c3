// SPDX-License-Identifier: Apache-2.0
// Memory regions.
#include "soft/verbs/control_verbs.hpp"

#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <memory>
#include <utility>

#include "soft/nic/domain.hpp"

namespace pktverbs::soft::control {

namespace {

std::uint64_t page_bytes() noexcept { return static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE)); }

/// A descriptor's memory, mapped from the page that contains `offset`.
class Mapping {
public:
    Mapping() noexcept = default;
    ~Mapping() {
        if (start_) munmap(start_, bytes_);
    }
    Mapping(const Mapping&) = delete;
    Mapping& operator=(const Mapping&) = delete;

    /// 0 or an errno.
    int map(int fd, std::uint64_t offset, std::size_t length, bool writable) noexcept {
        const std::uint64_t in_page = offset % page_bytes();
        void* const start = mmap(nullptr, length + in_page, writable ? PROT_READ | PROT_WRITE : PROT_READ, MAP_SHARED,
                                 fd, static_cast<off_t>(offset - in_page));
        if (start == MAP_FAILED) return errno;
        start_ = start;
        bytes_ = length + in_page;
        address_ = reinterpret_cast<std::uint64_t>(start) + in_page;
        return 0;
    }
    /// The address of the byte at `offset`.
    std::uint64_t address() const noexcept { return address_; }

private:
    void* start_ = nullptr;
    std::size_t bytes_ = 0;
    std::uint64_t address_ = 0;
};

struct SoftMr : ibv_mr {
    explicit SoftMr(ibv_pd* from)
        : ibv_mr{},
          object_entry{Nic::of(from->context).objects(), ObjectEntry::Kind::other, {&Domain::of(from).object_entry}} {
        context = from->context;
        pd = from;
    }

    ObjectEntry object_entry;
    Mapping mapping;  ///< a dmabuf's
};

/// 0, or the errno for these rights to `length` bytes from `address` on.
int check(std::uint64_t address, std::size_t length, int access, int known) noexcept {
    if (length == 0 || address + length < address) return EINVAL;
    // ibv_reg_mr(3): remote write and atomics need local write.
    if ((access & (IBV_ACCESS_REMOTE_WRITE | IBV_ACCESS_REMOTE_ATOMIC)) != 0 && (access & IBV_ACCESS_LOCAL_WRITE) == 0)
        return EINVAL;
    return (access & ~known) == 0 ? 0 : EOPNOTSUPP;
}

/// `address`: the first byte's address in work requests; `mapped`: its real address.
ibv_mr* add(std::unique_ptr<SoftMr> mr, std::uint64_t address, std::uint64_t mapped, int access) noexcept {
    mr->lkey = mr->rkey = mr->handle =
        Nic::of(mr->context).regions().add(mr->pd, address, mr->length, (access & IBV_ACCESS_LOCAL_WRITE) != 0, mapped);
    if (mr->lkey == 0) return refuse<ibv_mr>(ENOMEM);
    return mr.release();
}

}  // namespace

ibv_mr* reg_mr(ibv_pd* pd, void* addr, std::size_t length, int access) {
    constexpr int known = IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_WRITE | IBV_ACCESS_REMOTE_READ |
                          IBV_ACCESS_REMOTE_ATOMIC | IBV_ACCESS_HUGETLB | IBV_ACCESS_RELAXED_ORDERING;
    const auto address = reinterpret_cast<std::uint64_t>(addr);
    if (const int error = check(address, length, access, known)) return refuse<ibv_mr>(error);
    return guarded([=]() -> ibv_mr* {
        auto mr = std::make_unique<SoftMr>(pd);
        mr->addr = addr;
        mr->length = length;
        return add(std::move(mr), address, address, access);
    });
}

// Refuses what the kernel refuses (UVERBS_METHOD_REG_DMABUF_MR in uverbs_std_types_mr.c), and addr is the offset as in
// rdma-core's ibv_reg_dmabuf_mr(). But any descriptor that can be mapped will do, and DMA_BUF_IOCTL_SYNC is not called.
ibv_mr* reg_dmabuf_mr(ibv_pd* pd, std::uint64_t offset, std::size_t length, std::uint64_t iova, int fd, int access) {
    constexpr int known = IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_WRITE | IBV_ACCESS_REMOTE_READ |
                          IBV_ACCESS_REMOTE_ATOMIC | IBV_ACCESS_RELAXED_ORDERING;
    if (const int error = check(iova, length, access, known)) return refuse<ibv_mr>(error);
    if (offset + length < offset || offset % page_bytes() != iova % page_bytes()) return refuse<ibv_mr>(EINVAL);
    struct stat status;
    if (fstat(fd, &status) != 0) return refuse<ibv_mr>(errno);
    // Touching the mapping beyond the end would raise SIGBUS.
    if (status.st_size < 0 || offset + length > static_cast<std::uint64_t>(status.st_size))
        return refuse<ibv_mr>(EINVAL);
    return guarded([=]() -> ibv_mr* {
        auto mr = std::make_unique<SoftMr>(pd);
        const bool writable = (access & IBV_ACCESS_LOCAL_WRITE) != 0;
        if (const int error = mr->mapping.map(fd, offset, length, writable))
            return refuse<ibv_mr>(error == ENODEV ? EOPNOTSUPP : error);
        mr->addr = reinterpret_cast<void*>(offset);
        mr->length = length;
        const std::uint64_t mapped = mr->mapping.address();
        return add(std::move(mr), iova, mapped, access);
    });
}

int dereg_mr(ibv_mr* mr) {
    Nic& nic = Nic::of(mr->context);
    nic.regions().revoke(mr->lkey);
    nic.quiesce();  // the memory is the caller's again: no copy to or from it may still be running
    nic.regions().release(mr->lkey);
    delete static_cast<SoftMr*>(mr);
    return 0;
}

}  // namespace pktverbs::soft::control
