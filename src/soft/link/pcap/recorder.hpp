// SPDX-License-Identifier: Apache-2.0
// Recorder: writes sent frames to a pcapng file.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include <pktverbs/pcapng/writer.hpp>

#include "base/file_descriptor.hpp"
#include "soft/link/link.hpp"

namespace pktverbs::soft::pcap {

/// What record() took is in the file when it returns. Not thread-safe.
class Recorder {
public:
    /// Opens the file, a FIFO (waits for its reader) or, for "-", standard output. A file is emptied. Throws
    /// std::system_error: EBUSY if another one records there, or open(2)'s.
    Recorder(const std::string& path, std::uint32_t max_frame);

    /// With the time of now. False if it could not be written; then and later nothing is.
    bool record(std::span<const TxFrame> frames) noexcept;
    /// The errno of the write that failed, or 0.
    int error() const noexcept { return writer_.error(); }

private:
    bool flush() noexcept;

    FileDescriptor file_;
    bool is_stream_;
    PcapngWriter writer_;
    std::vector<std::uint8_t> scratch_;  ///< a frame in pieces
};

}  // namespace pktverbs::soft::pcap
