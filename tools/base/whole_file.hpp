// SPDX-License-Identifier: Apache-2.0
// write_whole_file: a file that appears whole, or not at all.
#pragma once

#include <string>
#include <string_view>

namespace tool {

/// Writes to a temporary file in the same folder and renames it, so that a reader sees the old file or the new one.
/// Into what is no regular file (a FIFO, /dev/stdout) it writes directly. Throws std::system_error; then what was there
/// is as it was, and nothing is left behind.
void write_whole_file(const std::string& path, std::string_view bytes, unsigned mode = 0600);
/// The same for a folder to which strangers write, too: a FIFO that they put there is replaced or refused, never
/// opened.
void replace_file(const std::string& path, std::string_view bytes, unsigned mode);

}  // namespace tool
