// SPDX-License-Identifier: Apache-2.0
// CaptureFile: the frames of a pcap or pcapng file, one after the other.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>

namespace tool {

/// Reads with libpcap, so every kind of file that tcpdump reads. For one thread at a time.
class CaptureFile {
public:
    /// "-" is standard input. Throws std::system_error or std::runtime_error for a file that can't be read, is none of
    /// these, or has other frames than Ethernet's.
    explicit CaptureFile(std::string name);
    CaptureFile(CaptureFile&&) noexcept;
    CaptureFile& operator=(CaptureFile&&) noexcept;
    ~CaptureFile();

    struct Frame {
        std::span<const std::uint8_t> bytes;  ///< valid until the next one is read
        std::chrono::nanoseconds time;        ///< since 1970
        bool is_cut;                          ///< by the recorder's snap length: the rest is not in the file
    };
    /// nullopt at the end. Throws std::runtime_error where the file is broken.
    std::optional<Frame> next();
    /// Begins anew. Throws as the constructor does.
    void rewind();

private:
    struct Reader;
    std::string name_;
    std::unique_ptr<Reader> reader_;
};

}  // namespace tool
