// SPDX-License-Identifier: Apache-2.0
// TemporaryFolder: a folder for one test's files, and a file's contents.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <string>
#include <system_error>
#include <vector>

namespace capture::test {

class TemporaryFolder {
public:
    TemporaryFolder() {
        auto pattern = (std::filesystem::temp_directory_path() / "capture.XXXXXX").string();
        if (!mkdtemp(pattern.data())) throw std::runtime_error{"no temporary folder"};
        path_ = pattern;
    }
    TemporaryFolder(const TemporaryFolder&) = delete;
    TemporaryFolder& operator=(const TemporaryFolder&) = delete;
    ~TemporaryFolder() {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }

    std::string operator/(const char* name) const { return (path_ / name).string(); }
    /// The number of files in it.
    std::ptrdiff_t files() const {
        return std::distance(std::filesystem::directory_iterator{path_}, std::filesystem::directory_iterator{});
    }

private:
    std::filesystem::path path_;
};

inline std::vector<std::uint8_t> contents(const std::string& path) {
    std::vector<std::uint8_t> bytes(std::filesystem::file_size(path));
    std::ifstream file{path, std::ios::binary};
    file.read(reinterpret_cast<char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
    return bytes;
}

/// Empty for a file that doesn't exist.
inline std::vector<std::uint8_t> contents_or_none(const std::string& path) {
    return std::filesystem::exists(path) ? contents(path) : std::vector<std::uint8_t>{};
}

}  // namespace capture::test
