// SPDX-License-Identifier: Apache-2.0
// Settings: what an xdp device string says.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>

#include "interface/interface.hpp"
#include "soft/link/link.hpp"

namespace pktverbs::soft::xdp {

enum class Mode {
    automatic,  ///< zero-copy if the driver has it
    copy,
    zero_copy,
};

struct Settings {
    std::uint32_t first_queue = 0;
    std::uint32_t queues = 1;
    std::uint32_t buffer_bytes = 2048;  ///< 2048 or 4096: a power of two, and at most a page
    std::uint32_t log2_buffers = 11;    ///< to receive to, of each queue
    Mode mode = Mode::automatic;
    std::chrono::microseconds busy_poll{0};  ///< 0: interrupts
    bool verifies_checksums = false;

    std::uint32_t receive_buffers() const noexcept { return 1U << log2_buffers; }
    std::uint32_t send_buffers() const noexcept { return receive_buffers() / 2; }
};

/// Throws std::system_error: EOPNOTSUPP if this build lacks AF_XDP.
std::unique_ptr<Link> open_link(std::shared_ptr<const Interface> interface, const Settings& settings);

}  // namespace pktverbs::soft::xdp
