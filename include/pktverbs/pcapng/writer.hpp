// SPDX-License-Identifier: Apache-2.0
// PcapngWriter: writes frames to a pcapng file or stream.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include <pktverbs/export.hpp>
#include <pktverbs/pcapng/blocks.hpp>

namespace pktverbs {

/// Writes frames as pcapng to the caller's descriptor, which must outlive it: a file, a pipe or a socket.
///
/// Frames are copied into a buffer, which is written by write(2) when it is full. Each frame names its interface by
/// number: 0 for the first, and as add_interface() returns. For one thread at a time.
///
/// The first write that fails is the last one: error() keeps its errno, and nothing more is written. A file may then
/// end in the middle of a block; readers read the blocks before it. A program that writes to a pipe ignores SIGPIPE,
/// to get EPIPE.
class PcapngWriter {
public:
    /// The size of its buffer.
    static constexpr std::size_t buffer_bytes = std::size_t{1} << 18;

    /// Begins with a section header, whose application is `program`, and Ethernet interface 0. Writes nothing yet.
    PKTVERBS_EXPORT PcapngWriter(int fd, std::string_view program, const pcapng::Interface& interface);
    PcapngWriter(const PcapngWriter&) = delete;
    PcapngWriter& operator=(const PcapngWriter&) = delete;
    /// Flushes; call flush() or finish() before, to see whether that failed.
    PKTVERBS_EXPORT ~PcapngWriter();

    /// Adds another Ethernet interface, before its first frame. Returns its number: 1, 2, ...
    PKTVERBS_EXPORT std::uint32_t add_interface(const pcapng::Interface& interface);

    /// Adds a whole frame without FCS, cut to its Interface::snap_length. `time` is since 1970. The number of no
    /// interface is an error, EINVAL, after which nothing more is written.
    void add(std::span<const std::uint8_t> frame, std::chrono::nanoseconds time, std::uint32_t interface = 0) noexcept {
        add(frame, {}, time, interface);
    }
    /// Adds a frame in two parts, as a RingBlock has them.
    PKTVERBS_EXPORT void add(std::span<const std::uint8_t> header, std::span<const std::uint8_t> rest,
                             std::chrono::nanoseconds time, std::uint32_t interface = 0) noexcept;

    /// Writes the buffer: for a pipe, whenever its reader should see the latest frames. Waits for a pipe that is full,
    /// also if it is non-blocking. Returns false if a write failed, now or earlier.
    PKTVERBS_EXPORT bool flush() noexcept;
    /// Adds the statistics of an interface, after its last frame, with packets(interface) as `delivered`, and flushes.
    PKTVERBS_EXPORT bool finish(pcapng::Statistics statistics, std::uint32_t interface = 0);

    /// Returns the number of frames added before a write failed; the last ones may not have been written.
    PKTVERBS_EXPORT std::uint64_t packets() const noexcept;
    /// Returns the number of those frames of one interface.
    PKTVERBS_EXPORT std::uint64_t packets(std::uint32_t interface) const noexcept;
    /// Returns the errno of the write that failed, EINVAL for the number of no interface, or 0.
    int error() const noexcept { return error_; }

private:
    struct Interface {
        std::size_t snap_length;
        std::uint64_t packets = 0;
    };

    void append(std::span<const std::uint8_t> bytes) noexcept;
    /// Whether there is such an interface; otherwise sets the error.
    bool has(std::uint32_t interface) noexcept;

    int fd_;
    std::vector<Interface> interfaces_;
    std::vector<std::uint8_t> buffer_;
    std::size_t used_ = 0;
    int error_ = 0;
};

}  // namespace pktverbs
