// SPDX-License-Identifier: Apache-2.0
// PcapngWriter: puts frames into a pcapng file or stream.
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
/// Frames are copied into a buffer, which is written by write(2) when it is full. For one thread at a time.
///
/// The first write that fails is the last one: error() keeps its errno, and nothing more is written. A file may then
/// end in the middle of a block; readers take what stands before it. A program that writes to a pipe ignores SIGPIPE,
/// to get EPIPE.
class PcapngWriter {
public:
    /// What it holds before it writes.
    static constexpr std::size_t buffer_bytes = std::size_t{1} << 18;

    /// Begins with a section header, whose application is `program`, and one Ethernet interface. Writes nothing yet.
    PKTVERBS_EXPORT PcapngWriter(int fd, std::string_view program, const pcapng::Interface& interface);
    PcapngWriter(const PcapngWriter&) = delete;
    PcapngWriter& operator=(const PcapngWriter&) = delete;
    /// Flushes; call flush() or finish() before, to see whether that failed.
    PKTVERBS_EXPORT ~PcapngWriter();

    /// Adds a whole frame without FCS, cut to Interface::snap_length. `time` is since 1970.
    void add(std::span<const std::uint8_t> frame, std::chrono::nanoseconds time) noexcept { add(frame, {}, time); }
    /// Adds a frame in two parts, as a RingBlock has them.
    PKTVERBS_EXPORT void add(std::span<const std::uint8_t> header, std::span<const std::uint8_t> rest,
                             std::chrono::nanoseconds time) noexcept;

    /// Writes what is in the buffer: for a pipe, whenever its reader is to see what there is. Waits for a pipe that is
    /// full, also if it is non-blocking. False if a write failed, now or earlier.
    PKTVERBS_EXPORT bool flush() noexcept;
    /// Ends the section: adds statistics, with packets() as `delivered`, and flushes.
    PKTVERBS_EXPORT bool finish(pcapng::Statistics statistics);

    /// Returns the number of frames added before a write failed; the last ones may not have been written.
    std::uint64_t packets() const noexcept { return packets_; }
    /// Returns the errno of the write that failed, or 0.
    int error() const noexcept { return error_; }

private:
    void append(std::span<const std::uint8_t> bytes) noexcept;

    int fd_;
    std::size_t snap_length_;
    std::vector<std::uint8_t> buffer_;
    std::size_t used_ = 0;
    std::uint64_t packets_ = 0;
    int error_ = 0;
};

}  // namespace pktverbs
