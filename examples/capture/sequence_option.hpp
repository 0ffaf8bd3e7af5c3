// SPDX-License-Identifier: Apache-2.0
// SequenceOption: where in a payload the sequence number stands, as a word on the command line.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace capture {

struct SequenceOption {
    std::size_t offset = 0;  ///< bytes from the beginning of the UDP payload
    std::size_t width = 8;   ///< bytes, 1 to 8
    bool is_little = false;

    /// "0:8", "4:6:big", "16:4:little"; nullopt for anything else.
    static std::optional<SequenceOption> parse(std::string_view text);

    /// A number that goes on from `last` though its bytes began anew from 0: the nearest that ends in these bytes.
    std::uint64_t unwrap(std::uint64_t number, std::uint64_t last) const noexcept {
        const auto unused_bits = 64 - 8 * width;
        const auto step = static_cast<std::int64_t>((number - last) << unused_bits) >> unused_bits;
        return last + static_cast<std::uint64_t>(step);
    }

    /// nullopt if the payload is too short.
    std::optional<std::uint64_t> read(std::span<const std::uint8_t> payload) const noexcept;

    friend bool operator==(const SequenceOption&, const SequenceOption&) = default;
};

}  // namespace capture
