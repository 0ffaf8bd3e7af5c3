// SPDX-License-Identifier: Apache-2.0
// OutputFile: a file that appears under its name when it is whole; or a device, which is written in place.
#pragma once

#include <cstdint>
#include <string>

namespace capture {

/// Move-only. A regular file grows under another name in the same folder, readable by its owner only, and what had the
/// name stays until keep(). Without keep() it is removed.
class OutputFile {
public:
    /// What is at a path, symbolic links followed.
    enum class Kind : std::uint8_t {
        file,    ///< a regular file, or nothing yet
        device,  ///< with places that can be written in any order
        stream,  ///< takes bytes one behind the other: a FIFO, a terminal; "-" is standard output
    };
    /// Throws std::system_error for what cannot be written: a folder, a socket.
    static Kind kind_of(const std::string& path);

    /// Of kind file or device. Throws std::system_error; nothing has changed then.
    OutputFile(const std::string& path, Kind kind);
    OutputFile() noexcept = default;
    OutputFile(OutputFile&& other) noexcept;
    OutputFile& operator=(OutputFile&& other) noexcept;
    ~OutputFile();

    int descriptor() const noexcept { return descriptor_; }
    /// Goes past the page cache from here on, or no longer. False with errno if it can't.
    bool set_direct(bool direct) const noexcept;

    /// Cuts it at `bytes`, closes it and gives it its name. Throws std::system_error; what is there then stays under
    /// the other name, and the reason says which.
    void keep(std::uint64_t bytes);
    /// Closes it, and leaves it under the name that it has. Returns that; empty for a device.
    std::string leave() noexcept;

private:
    void close_and_remove() noexcept;

    int descriptor_ = -1;
    std::string path_;
    std::string growing_;  ///< its name until then; empty for a device
};

}  // namespace capture
