// SPDX-License-Identifier: Apache-2.0
// MacAddress: a 48-bit Ethernet address as a value.
#pragma once

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <pktverbs/export.hpp>

namespace pktverbs {

class MacAddress {
public:
    static constexpr std::size_t size = 6;
    using Bytes = std::array<std::uint8_t, size>;

    /// 00:00:00:00:00:00.
    constexpr MacAddress() noexcept = default;
    /// From its octets, in the order they stand on the wire.
    constexpr explicit MacAddress(const Bytes& bytes) noexcept : bytes_{bytes} {}
    /// Parses "02:00:5e:10:00:01" (or with '-'; one or two hex digits a part).
    /// Throws std::invalid_argument with the text in the message.
    PKTVERBS_EXPORT explicit MacAddress(std::string_view text);

    /// Like the constructor, but gives nullopt for bad text.
    PKTVERBS_EXPORT static std::optional<MacAddress> parse(std::string_view text) noexcept;

    static constexpr MacAddress broadcast() noexcept { return MacAddress{Bytes{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}}; }

    constexpr const Bytes& bytes() const noexcept { return bytes_; }
    /// The group bit (IEEE 802, first bit on the wire); true for broadcast too.
    constexpr bool is_multicast() const noexcept { return (bytes_[0] & 1) != 0; }
    constexpr bool is_broadcast() const noexcept { return *this == broadcast(); }
    constexpr bool is_zero() const noexcept { return *this == MacAddress{}; }

    /// "02:00:5e:10:00:01", lower case.
    PKTVERBS_EXPORT std::string to_string() const;

    friend constexpr auto operator<=>(const MacAddress&, const MacAddress&) noexcept = default;

private:
    Bytes bytes_{};
};

}  // namespace pktverbs
