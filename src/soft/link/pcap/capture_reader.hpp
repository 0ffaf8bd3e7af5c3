// SPDX-License-Identifier: Apache-2.0
// CaptureReader: reads the frames of a capture file, pcap or pcapng, by libpcap.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/file_descriptor.hpp"

struct pcap;

namespace pktverbs::soft::pcap {

/// Valid until the next call of its reader.
struct CapturedFrame {
    const std::uint8_t* data;
    std::uint32_t length;   ///< as far as it was captured
    std::uint64_t time_ns;  ///< since 1970
};

/// Not thread-safe.
class CaptureReader {
public:
    enum class Result : std::uint8_t {
        frame,
        nothing_yet,  ///< a pipe is empty, and its writer still there
        end,
        failed,  ///< error() says why; the frames before were read
    };

    /// Opens the file, a FIFO or, for "-", standard input. Waits for a pipe's first bytes. Throws std::system_error:
    /// ENODEV if there is none, EINVAL if it is no capture of Ethernet frames, EOPNOTSUPP without libpcap, or
    /// open(2)'s.
    explicit CaptureReader(const std::string& path);
    ~CaptureReader();
    CaptureReader(CaptureReader&&) noexcept;

    /// Whether opening it is all that can be done to check it: what has been read is gone.
    static bool is_stream(const std::string& path) noexcept;
    bool is_stream() const noexcept { return is_stream_; }

    Result read(CapturedFrame& frame) noexcept;
    /// Starts again at the first frame. False if that fails.
    bool rewind() noexcept;
    /// "FILE ends in the middle of a frame": why read() or rewind() failed; empty if neither did.
    std::string_view error() const noexcept { return error_.data(); }

private:
    struct Close {
        void operator()(::pcap* file) const noexcept;
    };

    /// False, with error().
    bool open() noexcept;
    bool fail(std::string_view reason) noexcept;

    std::string path_;
    FileDescriptor file_;
    bool is_stream_ = false;
    std::unique_ptr<::pcap, Close> pcap_;
    std::array<char, 512> error_{};
};

}  // namespace pktverbs::soft::pcap
