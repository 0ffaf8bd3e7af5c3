// SPDX-License-Identifier: Apache-2.0
// The blocks of a pcapng file, read back.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace pktverbs::test {

struct PcapngBlock {
    std::uint32_t type = 0;
    std::vector<std::uint8_t> body;

    template <class Number>
    Number number(std::size_t at) const {
        Number value{};
        std::memcpy(&value, body.data() + at, sizeof value);
        return value;
    }
    /// The value of the first option of this code, in a body whose options begin at `at`.
    std::optional<std::string> option(std::size_t at, std::uint16_t code) const {
        while (at + 4 <= body.size()) {
            const auto found = number<std::uint16_t>(at);
            const auto bytes = number<std::uint16_t>(at + 2);
            if (found == 0 || at + 4 + bytes > body.size()) break;
            if (found == code) return std::string{reinterpret_cast<const char*>(body.data()) + at + 4, bytes};
            at += 4 + (bytes + std::size_t{3}) / 4 * 4;
        }
        return {};
    }
};

/// By the letter of the format; nullopt if anything is wrong.
inline std::optional<std::vector<PcapngBlock>> read_pcapng(std::span<const std::uint8_t> file) {
    std::vector<PcapngBlock> blocks;
    for (std::size_t at = 0; at < file.size();) {
        std::uint32_t head[2]{};
        std::uint32_t tail = 0;
        if (file.size() - at < 12) return {};
        std::memcpy(head, file.data() + at, sizeof head);
        if (head[1] % 4 != 0 || head[1] < 12 || head[1] > file.size() - at) return {};
        std::memcpy(&tail, file.data() + at + head[1] - 4, sizeof tail);
        if (tail != head[1]) return {};
        const auto body = file.subspan(at + 8, head[1] - 12);
        blocks.push_back({head[0], {body.begin(), body.end()}});
        at += head[1];
    }
    return blocks;
}

}  // namespace pktverbs::test
