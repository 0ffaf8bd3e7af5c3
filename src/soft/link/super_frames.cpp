// SPDX-License-Identifier: Apache-2.0
#include "soft/link/super_frames.hpp"

#include <cerrno>
#include <utility>

#include "net/frame_sizes.hpp"

namespace pktverbs::soft {

SuperFrames::SuperFrames(std::shared_ptr<const Interface> interface, const InterfaceNews& news, std::size_t messages)
    : ethtool_{std::move(interface)},
      news_{news},
      pauses_{!ethtool_.udp_segmentation().value_or(false)},
      fronts_(messages) {}

void SuperFrames::begin() noexcept {
    if (!pauses_ || is_unknown_) [[likely]]
        return;
    const auto now = Clock::now();
    if (now < look_at_) return;
    pauses_ = !ethtool_.udp_segmentation().value_or(false);
    look_at_ = now + without_segmentation;
}

UdpRun SuperFrames::find(std::span<const TxFrame> list) const noexcept {
    return pauses_ ? UdpRun{} : UdpRun::find(list, news_.mtu() + std::size_t{ethernet_bytes});
}

iovec SuperFrames::front_of(std::size_t message) noexcept {
    fronts_[message].vnet = {};
    return {&fronts_[message], sizeof(VnetHeader)};
}

iovec SuperFrames::front_of(std::size_t message, const UdpRun& run, const TxFrame& first) noexcept {
    Front& front = fronts_[message];
    front.vnet = run.write_header(first, front.header);
    return {&front, sizeof(VnetHeader) + run.header_bytes};
}

void SuperFrames::refused(int error) noexcept {
    pauses_ = true;
    is_unknown_ |= error == EINVAL;  // before Linux 6.2 (virtio_net_hdr_to_skb() in include/linux/virtio_net.h)
    look_at_ = Clock::now() + after_refusal;
}

}  // namespace pktverbs::soft
