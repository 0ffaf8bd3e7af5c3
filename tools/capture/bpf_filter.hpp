// SPDX-License-Identifier: Apache-2.0
// BpfFilter: which frames are wanted, as a text that tcpdump takes.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace tool {

/// A pcap-filter(7), which runs in this program. For one thread.
class BpfFilter {
public:
    /// Throws example::BadUse, which says what is wrong with the text, or that this build has no libpcap.
    explicit BpfFilter(const std::string& text);
    BpfFilter(const BpfFilter&) = delete;
    BpfFilter& operator=(const BpfFilter&) = delete;
    ~BpfFilter();

    /// Of a frame in two parts.
    bool takes(std::span<const std::uint8_t> header, std::span<const std::uint8_t> rest);

private:
    struct Program;
    std::unique_ptr<Program> program_;
    std::vector<std::uint8_t> frame_;
};

}  // namespace tool
