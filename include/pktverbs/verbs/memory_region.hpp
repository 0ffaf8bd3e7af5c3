// SPDX-License-Identifier: Apache-2.0
// MemoryRegion: memory registered with a device; RemoteSlice: a part of a peer's.
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

/// Names a part of a peer's registered memory, for RDMA and atomics.
///
/// The peer sends it, made by MemoryRegion::remote().
class RemoteSlice {
public:
    /// The length of to_bytes(): address, length and key, each in network order.
    static constexpr std::size_t wire_bytes = 20;

    /// Names memory by address, length and rkey.
    constexpr RemoteSlice(std::uint64_t address, std::uint64_t length, std::uint32_t key) noexcept
        : address_{address}, length_{length}, key_{key} {}
    /// Returns the address in the peer.
    std::uint64_t address() const noexcept { return address_; }
    /// Returns the length in bytes.
    std::uint64_t size() const noexcept { return length_; }
    /// Returns the rkey.
    std::uint32_t key() const noexcept { return key_; }
    /// Returns a part of it. Throws std::out_of_range unless the part lies inside.
    PKTVERBS_EXPORT RemoteSlice slice(std::uint64_t offset, std::uint64_t length) const;

    /// Returns it as bytes, to send to a peer.
    PKTVERBS_EXPORT std::array<std::uint8_t, wire_bytes> to_bytes() const noexcept;
    /// Parses to_bytes(). Returns nullopt for another length, or if the memory would wrap around the address space.
    PKTVERBS_EXPORT static std::optional<RemoteSlice> from_bytes(std::span<const std::uint8_t> bytes) noexcept;

private:
    std::uint64_t address_;
    std::uint64_t length_;
    std::uint32_t key_;
};

/// Registers memory with a device, so that work requests can use it.
///
/// Move-only. It does not own the memory, which must stay mapped until the region ends. It must outlive the work
/// requests that name it, and it keeps its protection domain alive. Several threads may call its members.
class PKTVERBS_EXPORT MemoryRegion {
public:
    /// Registers memory. `access` is a combination of ibv_access_flags; remote write and atomics need local write
    /// (ibv_reg_mr(3)). Throws std::system_error: ENOMEM if the locked-memory limit is too small.
    MemoryRegion(ProtectionDomain pd, std::span<std::uint8_t> memory, int access = IBV_ACCESS_LOCAL_WRITE);
    /// Registers `length` bytes of a dmabuf from `offset`, at the address `iova` for slices and peers. The program
    /// cannot read them through bytes(). The descriptor may be closed afterwards. Throws EOPNOTSUPP if the driver or
    /// kernel can't.
    static MemoryRegion from_dmabuf(ProtectionDomain pd, int fd, std::uint64_t offset, std::size_t length,
                                    std::uint64_t iova, int access = IBV_ACCESS_LOCAL_WRITE);

    MemoryRegion(MemoryRegion&&) noexcept = default;
    MemoryRegion& operator=(MemoryRegion&&) noexcept;

    /// Returns the length in bytes.
    std::size_t size() const noexcept { return mr_->length; }
    /// Returns a part of the region. Throws std::out_of_range unless the part lies inside and is no longer than a
    /// scatter element allows, 2^32 - 1 bytes.
    LocalSlice slice(std::size_t offset, std::size_t length) const;
    /// Returns the whole region.
    LocalSlice slice() const { return slice(0, size()); }
    /// Returns the whole region, to send to a peer.
    RemoteSlice remote() const noexcept { return {reinterpret_cast<std::uint64_t>(mr_->addr), size(), mr_->rkey}; }

    ibv_mr* raw() const noexcept { return mr_.get(); }

private:
    MemoryRegion(ProtectionDomain pd, MrHandle mr) noexcept;

    ProtectionDomain pd_;
    MrHandle mr_;
};

}  // namespace pktverbs::verbs
