// SPDX-License-Identifier: Apache-2.0
// Fifo: a FIFO in a temporary folder, and its reader.
#pragma once

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "temporary_folder.hpp"

namespace capture::test {

class Fifo {
public:
    Fifo() : path_{folder_ / "fifo"} {
        std::signal(SIGPIPE, SIG_IGN);  // as capture does
        if (mkfifo(path_.c_str(), 0600) != 0) throw std::runtime_error{"no FIFO"};
    }
    Fifo(const Fifo&) = delete;
    Fifo& operator=(const Fifo&) = delete;
    ~Fifo() { close(); }

    const std::string& path() const noexcept { return path_; }
    const TemporaryFolder& folder() const noexcept { return folder_; }

    /// Opens the reader.
    void open() { file_ = ::open(path_.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC); }
    void close() noexcept {
        if (file_ >= 0) ::close(std::exchange(file_, -1));
    }
    /// Reads what is there now.
    std::vector<std::uint8_t> take() const {
        return read_while([](ssize_t count) { return count > 0; });
    }
    /// Reads everything, until the writer ends. Opens it if it isn't open.
    std::vector<std::uint8_t> read_all() {
        if (file_ < 0) file_ = ::open(path_.c_str(), O_RDONLY | O_CLOEXEC);  // waits for the writer
        ::fcntl(file_, F_SETFL, 0);
        return take();
    }

private:
    template <class Condition>
    std::vector<std::uint8_t> read_while(Condition&& goes_on) const {
        std::vector<std::uint8_t> all;
        std::array<std::uint8_t, 10'000> part{};
        for (ssize_t count = 0; goes_on(count = ::read(file_, part.data(), part.size()));)
            all.insert(all.end(), part.begin(), part.begin() + count);
        return all;
    }

    TemporaryFolder folder_;
    std::string path_;
    int file_ = -1;
};

}  // namespace capture::test
