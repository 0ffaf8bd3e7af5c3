// SPDX-License-Identifier: Apache-2.0
// ReceiveOffloads: the offloads that this library does on received frames in place of the device.
#pragma once

#include <infiniband/verbs.h>

#include <cstdint>
#include <optional>
#include <span>

#include <pktverbs/offloads.hpp>
#include <pktverbs/recv_pkt.hpp>

namespace pktverbs {

/// Takes an 802.1Q tag out of `bytes` bytes that lie in `sges`, of which the first has at least 18; the bytes after it
/// move up. Returns the tag, if there was one.
std::optional<std::uint16_t> strip_tag(std::span<const ibv_sge> sges, std::uint32_t bytes) noexcept;

class ReceiveOffloads {
public:
    ReceiveOffloads() noexcept = default;
    explicit ReceiveOffloads(const Offloads& granted) noexcept
        : verify_{granted.recv_checksums == Offload::software},
          strip_{granted.strip_vlan == Offload::software},
          any_{verify_ || strip_},
          fcs_bytes_{granted.scatter_fcs ? 4U : 0U} {}

    bool any() const noexcept { return any_; }
    /// Works on a packet that was received whole. Returns by how many bytes it got shorter.
    std::uint32_t apply(RecvPkt& pkt) const noexcept;

private:
    bool verify_ = false;
    bool strip_ = false;
    bool any_ = false;
    std::uint32_t fcs_bytes_ = 0;  ///< at the end, not part of the frame
};

}  // namespace pktverbs
