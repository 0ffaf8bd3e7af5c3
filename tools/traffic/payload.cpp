// SPDX-License-Identifier: Apache-2.0
#include "payload.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <memory>
#include <random>
#include <stdexcept>
#include <system_error>

namespace tool {

namespace {

/// No packet is longer.
constexpr std::size_t max_bytes = 65536;

std::vector<std::uint8_t> read_file(const std::string& path) {
    const auto fail = [&](int error) {
        throw std::system_error{
            error, std::generic_category(),
            fmt::format("cannot read the payload {} (or give zeros, count, random, hex:...)", path)};
    };
    const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file{std::fopen(path.c_str(), "rbe"), std::fclose};
    if (!file) fail(errno);
    std::vector<std::uint8_t> bytes(max_bytes);
    bytes.resize(std::fread(bytes.data(), 1, bytes.size(), file.get()));
    if (std::ferror(file.get()) != 0) fail(errno != 0 ? errno : EIO);
    if (bytes.empty()) throw std::invalid_argument{fmt::format("the payload {} is an empty file", path)};
    return bytes;
}

std::vector<std::uint8_t> parse_hex(std::string_view digits) {
    std::vector<std::uint8_t> bytes(digits.size() / 2);
    bool is_good = !digits.empty() && digits.size() % 2 == 0 && bytes.size() <= max_bytes;
    for (std::size_t i = 0; is_good && i < bytes.size(); ++i) {
        const auto* const at = digits.data() + 2 * i;
        const auto [end, error] = std::from_chars(at, at + 2, bytes[i], 16);
        is_good = error == std::errc{} && end == at + 2;
    }
    if (!is_good)
        throw std::invalid_argument{fmt::format("'hex:{}' is not an even number of hexadecimal digits", digits)};
    return bytes;
}

}  // namespace

Payload Payload::parse(std::string_view text) {
    Payload payload;
    if (text == "zeros") return payload;
    if (text == "count") {
        payload.bytes_.resize(256);
        for (std::size_t i = 0; i < 256; ++i) payload.bytes_[i] = static_cast<std::uint8_t>(i);
    } else if (text == "random") {
        // Always the same numbers, so that a run can be repeated.
        std::mt19937 random{1};
        payload.bytes_.resize(max_bytes);
        for (auto& byte : payload.bytes_) byte = static_cast<std::uint8_t>(random());
    } else if (text.starts_with("hex:")) {
        payload.bytes_ = parse_hex(text.substr(4));
    } else {
        payload.bytes_ = read_file(std::string{text});
    }
    return payload;
}

void Payload::fill(std::span<std::uint8_t> payload) const noexcept {
    if (bytes_.empty()) {
        std::ranges::fill(payload, std::uint8_t{0});
        return;
    }
    while (!payload.empty()) {
        const auto part = std::min(payload.size(), bytes_.size());
        std::copy_n(bytes_.begin(), part, payload.begin());
        payload = payload.subspan(part);
    }
}

}  // namespace tool
