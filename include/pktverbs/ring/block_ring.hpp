// SPDX-License-Identifier: Apache-2.0
// BlockRing: shared memory that carries packets in blocks from one producer to one consumer.
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

/// Hands packets over in blocks from one producer to one consumer, which may be in other processes.
///
/// Move-only. The memory is always a shared mapping. Without a name it is a memfd: private until fd() is passed on, and
/// sealed against shrinking. With a name it is POSIX shared memory, which every process of its user can shrink, and so
/// kill the processes that use it (SIGBUS). The mapping stays until the ring, its RingWriter, its RingReader and all
/// their blocks have ended. Setup throws std::system_error.
///
/// Memory from elsewhere is checked before it is mapped: EPERM if others may write to it or shrink it (see
/// SharedMemory), EPROTO if it is not a ring of a version known here.
class PKTVERBS_EXPORT BlockRing {
public:
    /// Creates a ring without a name.
    explicit BlockRing(const RingGeometry& geometry, PageSize pages = PageSize::normal);

    /// Attaches to a ring by a descriptor of its memory. The descriptor stays the caller's.
    static BlockRing attach(int fd);

    /// Creates a ring in /dev/shm. `name` begins with a slash and has no other. The name appears when the ring is
    /// complete, and stays until remove(), also after a crash. Fails with EEXIST if the name is taken.
    static BlockRing create(const std::string& name, const RingGeometry& geometry);
    /// Attaches to the ring of that name. Fails with ENOENT if there is none.
    static BlockRing attach(const std::string& name);
    /// Attaches to the ring of that name, with everything in it, or creates it: what a producer starts with. Fails with
    /// EEXIST if there is one of another geometry. Processes that do it at the same time get the same ring.
    static BlockRing open(const std::string& name, const RingGeometry& geometry);
    /// Removes the name. Processes that are attached stay attached. A name that doesn't exist is no error.
    static void remove(const std::string& name) noexcept;

    BlockRing(BlockRing&&) noexcept;
    BlockRing& operator=(BlockRing&&) noexcept;
    ~BlockRing();

    /// Returns the sizes of its blocks, with all defaults filled in.
    const RingGeometry& geometry() const noexcept;
    /// Returns the whole mapping, page-aligned and in whole pages, to register it with a device.
    std::span<std::uint8_t> memory() const noexcept;
    /// Returns the Options::recv_layout of a Context that receives into this ring: header and payload apart, as in a
    /// slot.
    Layout recv_layout() const;
    /// Returns the descriptor to pass to another process, which can attach() with it. Owned by the ring; close-on-exec.
    int fd() const noexcept;
    /// Returns the number of blocks that were handed over and have not been read yet.
    std::uint32_t filled_blocks() const noexcept;

private:
    friend class RingReader;
    friend class RingWriter;
    explicit BlockRing(std::shared_ptr<class RingMapping> mapping) noexcept;
    std::shared_ptr<class RingMapping> mapping_;
};

}  // namespace pktverbs
