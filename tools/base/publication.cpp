// SPDX-License-Identifier: Apache-2.0
#include "publication.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <exception>
#include <fstream>
#include <iterator>
#include <sstream>

#include "base/whole_file.hpp"

namespace tool {

unsigned long long start_of(int process) {
    std::ifstream file{fmt::format("/proc/{}/stat", process)};
    const std::string text{std::istreambuf_iterator<char>{file}, {}};
    // Field 2 is the name in parentheses, and may have any characters. Field 3 follows the last of them.
    const auto end = text.rfind(')');
    if (end == std::string::npos) return 0;
    std::istringstream fields{text.substr(end + 1)};
    std::string skipped;
    for (int field = 3; field != 22; ++field) fields >> skipped;
    unsigned long long start = 0;
    return fields >> start ? start : 0;
}

Publication::Publication(std::string_view name)
    : name_{name}, path_{fmt::format("{}{}{}", folder, prefix, ::getpid())}, start_{start_of(::getpid())} {
    write(0, {});
}

Publication::~Publication() { ::unlink(path_.c_str()); }

void Publication::set(double seconds, std::string_view metrics) noexcept {
    try {
        write(seconds, metrics);
    } catch (const std::exception&) {
        // To look on must never end what is looked at.
    }
}

// Everybody writes to that folder. To rename onto a stranger's file there fails (sticky bit).
void Publication::write(double seconds, std::string_view metrics) {
    replace_file(path_,
                 fmt::format("{} {} {} {} {} {:.3f}\n{}", word, version, ::getpid(), start_, name_, seconds, metrics),
                 0644);
}

}  // namespace tool
