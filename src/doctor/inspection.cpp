// SPDX-License-Identifier: Apache-2.0
#include "doctor/inspection.hpp"

#include <fmt/core.h>

#include <charconv>
#include <fstream>
#include <iterator>

#include <pktverbs/memory/memory.hpp>

namespace pktverbs::doctor {

std::string Files::line(const std::string& path) const {
    std::string text;
    std::ifstream file{root / path};
    std::getline(file, text);
    return text;
}

std::optional<std::int64_t> Files::number(const std::string& path) const {
    const std::string text = line(path);
    std::int64_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc{} || end == text.data()) return std::nullopt;
    return number;
}

std::string Files::entry(const std::string& path, std::string_view key) const {
    std::ifstream file{root / path};
    for (std::string text; std::getline(file, text);) {
        if (!text.starts_with(key) || text.size() <= key.size() || text[key.size()] != ':') continue;
        const auto first = text.find_first_not_of(" \t", key.size() + 1);
        return first == std::string::npos ? std::string{}
                                          : text.substr(first, text.find_last_not_of(" \t") + 1 - first);
    }
    return {};
}

std::size_t Inspection::buffer_bytes() const noexcept {
    const auto side = [&](std::uint32_t packets, const Layout& layout) {
        if (packets == device_maximum) return std::size_t{0};  // reduced to what is available
        std::size_t each = layout.empty() ? Memory::stride(wanted.max_packet_size) : 0;
        for (const Layout::Chunk& chunk : layout.chunks())
            if (chunk.is_own && chunk.bytes != 0) each += Memory::stride(chunk.bytes);
        return each * packets;
    };
    return (side(wanted.recv_packets, wanted.recv_layout) + side(wanted.send_packets, wanted.send_layout)) *
           wanted.queues;
}

std::size_t Inspection::room() const noexcept {
    return wanted.recv_layout.empty() ? wanted.max_packet_size : wanted.recv_layout.bytes();
}

std::string bytes_text(std::uint64_t bytes) {
    constexpr std::string_view units[] = {"bytes", "KiB", "MiB", "GiB", "TiB"};
    std::size_t unit = 0;
    for (; bytes >= 10240 && unit + 1 < std::size(units); ++unit) bytes /= 1024;
    return fmt::format("{} {}", bytes, units[unit]);
}

}  // namespace pktverbs::doctor
