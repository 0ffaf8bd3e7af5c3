// SPDX-License-Identifier: Apache-2.0
// Ethtool: what the kernel's ethtool interface tells about a network interface.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/file_descriptor.hpp"

namespace pktverbs {

/// Looks in the calling thread's network namespace. What can't be found out is nullopt or empty; nothing is changed.
class Ethtool {
public:
    explicit Ethtool(std::string interface);

    std::string driver() const;
    std::optional<bool> generic_receive_offload() const;
    std::optional<bool> large_receive_offload() const;
    std::optional<bool> generic_segmentation_offload() const;
    std::optional<bool> tcp_segmentation_offload() const;
    struct Ring {
        std::uint32_t now;
        std::uint32_t most;
    };
    std::optional<Ring> receive_ring() const;
    /// The driver's own statistics, by the names that it gives them.
    std::vector<std::pair<std::string, std::uint64_t>> statistics() const;

private:
    bool ask(void* command) const noexcept;
    std::optional<bool> flag(std::uint32_t command, std::uint32_t bits) const noexcept;

    std::string interface_;
    FileDescriptor socket_;
};

}  // namespace pktverbs
