// SPDX-License-Identifier: Apache-2.0
// Payload: the bytes behind the sequence number of the packets to send.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace tool {

/// A text of bytes that is repeated, or cut, to the length of each payload. A value.
class Payload {
public:
    /// "zeros", "count" (00 01 02 ...), "random", "hex:c0ffee", or the name of a file. Throws std::invalid_argument for
    /// a pattern that is none, or std::system_error for a file that cannot be read.
    static Payload parse(std::string_view text);

    /// All zeros, as long as none was chosen.
    bool is_zeros() const noexcept { return bytes_.empty(); }
    /// Writes a payload's bytes.
    void fill(std::span<std::uint8_t> payload) const noexcept;

private:
    std::vector<std::uint8_t> bytes_;
};

}  // namespace tool
