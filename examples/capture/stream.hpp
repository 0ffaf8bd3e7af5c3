// SPDX-License-Identifier: Apache-2.0
// Stream: an output that takes bytes in sequence: a FIFO, a terminal, standard output.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "patience.hpp"

namespace capture {

/// For one thread. Calls wait for a missing or slow reader no longer than `patience` allows. The program must ignore
/// SIGPIPE.
class Stream {
public:
    /// Standard output, of any kind.
    static Stream standard_output(Patience patience);
    /// A FIFO, or a device that cannot seek. A FIFO without a reader is opened by the first write that finds one.
    /// Throws std::system_error.
    static Stream open(std::string path, Patience patience);

    Stream(Stream&& other) noexcept;
    Stream& operator=(Stream&&) = delete;
    ~Stream();

    /// As write(2): returns how much was written, at least 1, or a negative errno: ENXIO: there is no reader;
    /// ETIMEDOUT: the reader reads nothing; EPIPE: the reader has closed.
    std::int64_t write(const std::uint8_t* bytes, std::size_t count) noexcept;
    /// Returns 0, or the errno of a close that failed. Nothing may be written afterwards.
    int close() noexcept;

private:
    Stream(std::string path, int file, bool blocks, Patience patience) noexcept;
    int wait() noexcept;

    std::string path_;  ///< to open, while file_ is negative
    int file_;
    bool blocks_;  ///< whether a write without enough room blocks
    Patience patience_;
};

}  // namespace capture
