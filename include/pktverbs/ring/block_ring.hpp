// SPDX-License-Identifier: Apache-2.0
// BlockRing: memory for blocks of packets, between one producer and one consumer, which may be other processes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include <pktverbs/export.hpp>
#include <pktverbs/memory/memory.hpp>
#include <pktverbs/packet/layout.hpp>
#include <pktverbs/ring/ring_geometry.hpp>
#include <pktverbs/ring/ring_layout.hpp>

namespace pktverbs {

/// Move-only. Always a shared mapping: of a memfd, which is private as long as nobody is given fd() and sealed against
/// being cut short; or, if it has a name, of POSIX shared memory, which every process of its user can cut short, and so
/// kill those who use it (SIGBUS). The mapping stays until the last of the ring, its RingWriter, its RingReader and
/// their blocks has ended. Setup throws std::system_error.
///
/// Memory that comes from elsewhere is refused before it is mapped: EPERM if others may write to it or cut it short
/// (SharedMemory), EPROTO if it is no ring that this version knows.
class PKTVERBS_EXPORT BlockRing {
public:
    /// A new ring without a name.
    explicit BlockRing(const RingGeometry& geometry, PageSize pages = PageSize::normal);

    /// A ring by a descriptor of its memory, which stays the caller's.
    static BlockRing attach(int fd);

    /// A new ring in /dev/shm: `name` begins with a slash and has no other. It gets the name when it is whole, and
    /// keeps it, also after a crash, until remove(). EEXIST if there is one already.
    static BlockRing create(const std::string& name, const RingGeometry& geometry);
    /// The ring of that name; ENOENT if there is none.
    static BlockRing attach(const std::string& name);
    /// What a producer starts with: attaches to the ring of that name, with all that is in it, or creates it. EEXIST
    /// if it is there with another geometry. Several at once get the same ring.
    static BlockRing open(const std::string& name, const RingGeometry& geometry);
    /// Takes the name away; who is attached stays so. A name that isn't there is no error.
    static void remove(const std::string& name) noexcept;

    BlockRing(BlockRing&&) noexcept;
    BlockRing& operator=(BlockRing&&) noexcept;
    ~BlockRing();

    const RingGeometry& geometry() const noexcept;
    /// All of the mapping, for registering it with a device: page-aligned, whole pages.
    std::span<std::uint8_t> memory() const noexcept;
    /// For Options::recv_layout of a Context that receives into this ring: header and payload apart, as in a slot.
    Layout recv_layout() const;
    /// To be passed to another process, which may attach() by it. Owned by the ring; close-on-exec.
    int fd() const noexcept;
    /// How many blocks are handed over and not read yet.
    std::uint32_t filled_blocks() const noexcept;

private:
    friend class RingReader;
    friend class RingWriter;
    explicit BlockRing(std::shared_ptr<class RingMapping> mapping) noexcept;
    std::shared_ptr<class RingMapping> mapping_;
};

}  // namespace pktverbs
