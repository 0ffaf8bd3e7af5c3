// SPDX-License-Identifier: Apache-2.0
// MemoryRegion: memory that a device may reach, and the parts of a peer's.
#pragma once

#include <infiniband/verbs.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include <pktverbs/export.hpp>
#include <pktverbs/verbs/handle.hpp>
#include <pktverbs/verbs/local_slice.hpp>
#include <pktverbs/verbs/protection_domain.hpp>

namespace pktverbs::verbs {

/// A part of a region of a peer's, for RDMA and atomics: what the peer sent of MemoryRegion::remote().
class RemoteSlice {
public:
    /// Address, length and key, each in network order.
    static constexpr std::size_t wire_bytes = 20;

    constexpr RemoteSlice(std::uint64_t address, std::uint64_t length, std::uint32_t key) noexcept
        : address_{address}, length_{length}, key_{key} {}
    std::uint64_t address() const noexcept { return address_; }
    std::uint64_t size() const noexcept { return length_; }
    std::uint32_t key() const noexcept { return key_; }
    /// Throws std::out_of_range unless it lies inside this one.
    PKTVERBS_EXPORT RemoteSlice slice(std::uint64_t offset, std::uint64_t length) const;

    PKTVERBS_EXPORT std::array<std::uint8_t, wire_bytes> to_bytes() const noexcept;
    /// nullopt if there are too few or too many bytes, or if the region would wrap around the address space.
    PKTVERBS_EXPORT static std::optional<RemoteSlice> from_bytes(std::span<const std::uint8_t> bytes) noexcept;

private:
    std::uint64_t address_;
    std::uint64_t length_;
    std::uint32_t key_;
};

/// Move-only. Does not own the memory, which must stay mapped until the region ends. A region must outlive the work
/// requests that name it; it keeps its protection domain alive. Members may be called from several threads.
class PKTVERBS_EXPORT MemoryRegion {
public:
    /// `access` is made of ibv_access_flags; remote write and atomics need local write (ibv_reg_mr(3)). Throws
    /// std::system_error: ENOMEM if the locked-memory limit is too small.
    MemoryRegion(ProtectionDomain pd, std::span<std::uint8_t> memory, int access = IBV_ACCESS_LOCAL_WRITE);
    /// `length` bytes of a dmabuf from `offset`, at the address `iova` for slices and peers: the program cannot read
    /// them through bytes(). The descriptor may be closed afterwards. Throws EOPNOTSUPP where driver or kernel can't.
    static MemoryRegion from_dmabuf(ProtectionDomain pd, int fd, std::uint64_t offset, std::size_t length,
                                    std::uint64_t iova, int access = IBV_ACCESS_LOCAL_WRITE);

    MemoryRegion(MemoryRegion&&) noexcept = default;
    MemoryRegion& operator=(MemoryRegion&&) noexcept;

    std::size_t size() const noexcept { return mr_->length; }
    /// Throws std::out_of_range unless it lies inside the region, or if it is longer than a scatter element can say,
    /// 2^32 - 1 bytes.
    LocalSlice slice(std::size_t offset, std::size_t length) const;
    /// The whole region.
    LocalSlice slice() const { return slice(0, size()); }
    /// The whole region, for a peer.
    RemoteSlice remote() const noexcept { return {reinterpret_cast<std::uint64_t>(mr_->addr), size(), mr_->rkey}; }

    ibv_mr* raw() const noexcept { return mr_.get(); }

private:
    MemoryRegion(ProtectionDomain pd, MrHandle mr) noexcept;

    ProtectionDomain pd_;
    MrHandle mr_;
};

}  // namespace pktverbs::verbs
