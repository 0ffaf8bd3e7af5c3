// SPDX-License-Identifier: Apache-2.0
// OutputFile: a file that appears under its name when it is complete; or a device, which is written in place.
#pragma once

#include <cstdint>
#include <string>

namespace capture {

/// Move-only. A regular file grows under another name in the same folder, readable by its owner only; keep() replaces
/// the file of the final name by it. Without keep() it is removed.
class OutputFile {
public:
    /// The kind of file at a path, after following symbolic links.
    enum class Kind : std::uint8_t {
        file,    ///< a regular file, or nothing yet
        device,  ///< can be written at any offset, in any order
        stream,  ///< takes bytes in sequence: a FIFO, a terminal; "-" is standard output
    };
    /// Throws std::system_error for a folder, a socket and other things that cannot be written.
    static Kind kind_of(const std::string& path);

    /// Opens a path of kind file or device. Throws std::system_error, and then changes nothing.
    OutputFile(const std::string& path, Kind kind);
    OutputFile() noexcept = default;
    OutputFile(OutputFile&& other) noexcept;
    OutputFile& operator=(OutputFile&& other) noexcept;
    ~OutputFile();

    int descriptor() const noexcept { return descriptor_; }
    /// Turns O_DIRECT on or off. Returns false with errno on failure.
    bool set_direct(bool direct) const noexcept;

    /// Cuts it to `bytes`, closes it and gives it its name. Throws std::system_error; the file then keeps its other
    /// name, which the text contains.
    void keep(std::uint64_t bytes);
    /// Closes it under the name that it has, and returns that name; empty for a device.
    std::string leave() noexcept;

private:
    void close_and_remove() noexcept;

    int descriptor_ = -1;
    std::string path_;
    std::string growing_;  ///< its name until keep(); empty for a device
};

}  // namespace capture
