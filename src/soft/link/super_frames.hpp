// SPDX-License-Identifier: Apache-2.0
// SuperFrames: whether a packet socket's interface takes super-frames now, and what precedes frames on such a socket.
#pragma once

#include <sys/uio.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "interface/ethtool.hpp"
#include "interface/interface.hpp"
#include "soft/link/interface_news.hpp"
#include "soft/link/link.hpp"
#include "soft/link/udp_run.hpp"
#include "soft/link/vnet_header.hpp"

namespace pktverbs::soft {

/// An interface that does not segment UDP itself drops a super-frame that a socket sends past the queueing discipline,
/// and the sender gets ENOBUFS (validate_xmit_skb_list() in net/core/dev.c, __dev_direct_xmit()). It may begin to at
/// any time: a veth interface does when its peer gets an XDP program (veth_xdp_set() in drivers/net/veth.c). So runs go
/// frame by frame for a while after any refusal, until the interface says that it segments.
class SuperFrames {
public:
    /// For sending up to `messages` frames at once. `news` must live longer.
    SuperFrames(std::shared_ptr<const Interface> interface, const InterfaceNews& news, std::size_t messages);

    /// At the beginning of each call that sends: looks at the interface if it's time. Waits then while interfaces are
    /// being changed (the kernel's rtnl_lock).
    void begin() noexcept;
    /// As UdpRun::find(); no run while the interface takes none.
    UdpRun find(std::span<const TxFrame> list) const noexcept;
    /// What goes before a message's frame, or instead of the headers of a run.
    iovec front_of(std::size_t message) noexcept;
    iovec front_of(std::size_t message, const UdpRun& run, const TxFrame& first) noexcept;
    /// The kernel has not taken a super-frame.
    void refused(int error) noexcept;

private:
    using Clock = std::chrono::steady_clock;
    static constexpr std::chrono::milliseconds after_refusal{10};
    static constexpr std::chrono::milliseconds without_segmentation{100};

    /// In one piece, as the kernel reads it.
    struct Front {
        VnetHeader vnet;
        std::uint8_t header[UdpRun::max_header_bytes];
    };

    const Ethtool ethtool_;
    const InterfaceNews& news_;
    bool is_unknown_ = false;  ///< to the kernel
    bool pauses_;
    Clock::time_point look_at_{};
    std::vector<Front> fronts_;
};

}  // namespace pktverbs::soft
