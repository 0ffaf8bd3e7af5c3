// SPDX-License-Identifier: Apache-2.0
// BigEndian: numbers in network order, one after the other.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>

namespace pktverbs {

/// The bytes must have room for every number put.
class BigEndianWriter {
public:
    explicit BigEndianWriter(std::span<std::uint8_t> bytes) noexcept : next_{bytes.data()} {}
    template <std::unsigned_integral Number>
    BigEndianWriter& put(Number number) noexcept {
        for (std::size_t i = sizeof(Number); i-- > 0;) *next_++ = static_cast<std::uint8_t>(number >> (8 * i));
        return *this;
    }
    BigEndianWriter& put(std::span<const std::uint8_t> bytes) noexcept {
        for (const std::uint8_t byte : bytes) *next_++ = byte;
        return *this;
    }

private:
    std::uint8_t* next_;
};

/// The bytes must hold every number taken.
class BigEndianReader {
public:
    explicit BigEndianReader(std::span<const std::uint8_t> bytes) noexcept : next_{bytes.data()} {}
    template <std::unsigned_integral Number>
    Number get() noexcept {
        Number number = 0;
        for (std::size_t i = 0; i < sizeof(Number); ++i)
            number = static_cast<Number>(static_cast<std::uint64_t>(number) << 8 | *next_++);
        return number;
    }
    void get(std::span<std::uint8_t> bytes) noexcept {
        for (std::uint8_t& byte : bytes) byte = *next_++;
    }

private:
    const std::uint8_t* next_;
};

}  // namespace pktverbs
