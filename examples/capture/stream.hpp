// SPDX-License-Identifier: Apache-2.0
// Stream: an output that takes bytes one behind the other: a FIFO, a terminal, standard output.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "patience.hpp"

namespace capture {

/// For one thread. No call waits longer than patience allows for a reader that isn't there, or doesn't read. The
/// program must ignore SIGPIPE.
class Stream {
public:
    /// Standard output, whatever that is.
    static Stream standard_output(Patience patience);
    /// A FIFO, or a device without places. A FIFO that nobody reads yet is opened by the first write that finds a
    /// reader. Throws std::system_error.
    static Stream open(std::string path, Patience patience);

    Stream(Stream&& other) noexcept;
    Stream& operator=(Stream&&) = delete;
    ~Stream();

    /// As write(2): how much was taken, at least 1, or a negative errno. ENXIO: nobody came to read; ETIMEDOUT: who
    /// reads took nothing; EPIPE: who read has gone.
    std::int64_t write(const std::uint8_t* bytes, std::size_t count) noexcept;
    /// 0, or the errno of a close that failed. Nothing is written after it.
    int close() noexcept;

private:
    Stream(std::string path, int file, bool blocks, Patience patience) noexcept;
    int wait() noexcept;

    std::string path_;  ///< to be opened, as long as file_ is none
    int file_;
    bool blocks_;  ///< a write for which there isn't room at once
    Patience patience_;
};

}  // namespace capture
