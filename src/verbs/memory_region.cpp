// SPDX-License-Identifier: Apache-2.0
#include <pktverbs/verbs/memory_region.hpp>

#include <fmt/core.h>

#include <limits>
#include <stdexcept>
#include <utility>

#include "base/big_endian.hpp"

namespace pktverbs::verbs {

namespace {

void check_inside(std::uint64_t offset, std::uint64_t length, std::uint64_t size) {
    if (offset <= size && length <= size - offset) return;
    throw std::out_of_range{fmt::format("cannot slice {} bytes at {}: there are {}", length, offset, size)};
}

}  // namespace

LocalSlice LocalSlice::slice(std::size_t offset, std::size_t length) const {
    check_inside(offset, length, sge_.length);
    return LocalSlice{{sge_.addr + offset, static_cast<std::uint32_t>(length), sge_.lkey}};
}

RemoteSlice RemoteSlice::slice(std::uint64_t offset, std::uint64_t length) const {
    check_inside(offset, length, length_);
    return {address_ + offset, length, key_};
}

std::array<std::uint8_t, RemoteSlice::wire_bytes> RemoteSlice::to_bytes() const noexcept {
    std::array<std::uint8_t, wire_bytes> bytes;
    BigEndianWriter{bytes}.put(address_).put(length_).put(key_);
    return bytes;
}

std::optional<RemoteSlice> RemoteSlice::from_bytes(std::span<const std::uint8_t> bytes) noexcept {
    if (bytes.size() != wire_bytes) return std::nullopt;
    BigEndianReader reader{bytes};
    const auto address = reader.get<std::uint64_t>();
    const auto length = reader.get<std::uint64_t>();
    const auto key = reader.get<std::uint32_t>();
    if (length > std::numeric_limits<std::uint64_t>::max() - address) return std::nullopt;
    return RemoteSlice{address, length, key};
}

MemoryRegion::MemoryRegion(ProtectionDomain pd, MrHandle mr) noexcept : pd_{std::move(pd)}, mr_{std::move(mr)} {}

MemoryRegion::MemoryRegion(ProtectionDomain pd, std::span<std::uint8_t> memory, int access) : pd_{std::move(pd)} {
    const Provider& provider = pd_.device().provider();
    mr_ = MrHandle{check_pointer(pd_.device().action("reg_mr", "register memory"),
                                 [&] { return provider.reg_mr(pd_.raw(), memory.data(), memory.size(), access); }),
                   {&provider}};
}

MemoryRegion MemoryRegion::from_dmabuf(ProtectionDomain pd, int fd, std::uint64_t offset, std::size_t length,
                                       std::uint64_t iova, int access) {
    const Provider& provider = pd.device().provider();
    MrHandle mr{check_pointer(pd.device().action("reg_dmabuf_mr", "register a dmabuf"),
                              [&] { return provider.reg_dmabuf_mr(pd.raw(), offset, length, iova, fd, access); }),
                {&provider}};
    mr->addr = reinterpret_cast<void*>(iova);  // libibverbs puts the offset there; requests count from iova
    return {std::move(pd), std::move(mr)};
}

MemoryRegion& MemoryRegion::operator=(MemoryRegion&& other) noexcept {
    mr_ = std::move(other.mr_);  // before the old one's domain
    pd_ = std::move(other.pd_);
    return *this;
}

LocalSlice MemoryRegion::slice(std::size_t offset, std::size_t length) const {
    check_inside(offset, length, size());
    if (length > std::numeric_limits<std::uint32_t>::max())
        throw std::out_of_range{fmt::format("cannot slice {} bytes: a work request says at most 2^32 - 1", length)};
    return LocalSlice{
        {reinterpret_cast<std::uint64_t>(mr_->addr) + offset, static_cast<std::uint32_t>(length), mr_->lkey}};
}

}  // namespace pktverbs::verbs
