// SPDX-License-Identifier: Apache-2.0
// Ethtool: what the kernel's ethtool interface reports about a network interface.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "interface/interface.hpp"

namespace pktverbs {

/// Unknown values are nullopt or empty; it only reads.
class Ethtool {
public:
    /// Null: no interface.
    explicit Ethtool(std::shared_ptr<const Interface> interface) noexcept : interface_{std::move(interface)} {}

    std::string driver() const;
    std::optional<bool> generic_receive_offload() const;
    std::optional<bool> large_receive_offload() const;
    std::optional<bool> generic_segmentation_offload() const;
    std::optional<bool> tcp_segmentation_offload() const;
    /// tx-udp-segmentation of ethtool -k.
    std::optional<bool> udp_segmentation() const noexcept;
    struct Ring {
        std::uint32_t now;
        std::uint32_t most;
    };
    std::optional<Ring> receive_ring() const;
    /// In Mb/s.
    std::optional<std::uint32_t> speed() const;
    /// The driver's own statistics, under its names.
    std::vector<std::pair<std::string, std::uint64_t>> statistics() const;

private:
    bool ask(void* command) const noexcept;
    std::optional<bool> flag(std::uint32_t command, std::uint32_t bits) const noexcept;

    std::shared_ptr<const Interface> interface_;
};

}  // namespace pktverbs
