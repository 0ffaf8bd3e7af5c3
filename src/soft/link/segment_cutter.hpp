// SPDX-License-Identifier: Apache-2.0
// SegmentCutter: makes the packets anew that came as one super-frame.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "soft/link/link.hpp"
#include "soft/link/vnet_header.hpp"

namespace pktverbs::soft {

/// As the kernel's segmentation makes them (__udp_gso_segment() in net/ipv4/udp_offload.c, inet_gso_segment() in
/// net/ipv4/af_inet.c).
class SegmentCutter {
public:
    /// Throws std::bad_alloc.
    SegmentCutter() : memory_(max_super_bytes + batch * max_header_bytes) {}

    /// Whether the frame is several UDP packets of the outermost headers. `left` as the kernel has it before the frame.
    static bool can_cut(std::span<const std::uint8_t> frame, const VnetHeader& left) noexcept;

    /// Delivers the packets of a frame that can be cut; its segment_bytes is a packet's payload. Returns their number.
    std::size_t deliver(const RxFrame& super, Sink& sink) noexcept;

private:
    static constexpr std::size_t batch = 64;
    static constexpr std::size_t max_super_bytes = 65536 + 64;
    static constexpr std::size_t max_header_bytes = 256;

    std::vector<std::uint8_t> memory_;
};

}  // namespace pktverbs::soft
