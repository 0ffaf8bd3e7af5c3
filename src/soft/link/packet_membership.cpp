// SPDX-License-Identifier: Apache-2.0
#include "soft/link/packet_membership.hpp"

#include <linux/if_packet.h>

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <utility>

namespace pktverbs::soft {

std::optional<PacketMembership> find_membership(const FlowMatch& flow, const MacAddress& own) {
    if (!flow.wants_frames()) return std::nullopt;
    MacAddress::Bytes address;
    std::ranges::copy(flow.value.dst_mac, address.begin());
    const MacAddress mac{address};
    const bool exact = std::ranges::all_of(flow.mask.dst_mac, [](std::uint8_t byte) { return byte == 0xff; });
    const bool only_groups = flow.type == IBV_FLOW_ATTR_MC_DEFAULT || (flow.value.dst_mac[0] & 1) != 0;
    if (exact && (mac == own || mac.is_broadcast())) return std::nullopt;
    if (exact)
        return PacketMembership{mac.is_multicast() ? static_cast<unsigned short>(PACKET_MR_MULTICAST)
                                                   : static_cast<unsigned short>(PACKET_MR_UNICAST),
                                mac};
    return PacketMembership{
        only_groups ? static_cast<unsigned short>(PACKET_MR_ALLMULTI) : static_cast<unsigned short>(PACKET_MR_PROMISC),
        {}};
}

std::vector<PacketMembership> find_memberships(std::span<const FlowMatch* const> flows, const MacAddress& own) {
    std::vector<PacketMembership> wanted;
    for (const FlowMatch* flow : flows)
        if (const auto membership = find_membership(*flow, own)) wanted.push_back(*membership);
    std::ranges::sort(wanted);
    wanted.erase(std::unique(wanted.begin(), wanted.end()), wanted.end());
    return wanted;
}

int PacketMemberships::set(int option, const PacketMembership& membership) const noexcept {
    packet_mreq request{};
    request.mr_ifindex = interface_index_;
    request.mr_type = membership.type;
    request.mr_alen = MacAddress::size;
    std::ranges::copy(membership.address.bytes(), request.mr_address);
    return socket_.set(option, request);
}

int PacketMemberships::add(std::vector<PacketMembership> wanted) {
    std::vector<PacketMembership> lacking;
    std::ranges::set_difference(wanted, held_, std::back_inserter(lacking));
    wanted_ = std::move(wanted);
    added_.clear();
    added_.reserve(lacking.size());
    for (const auto& membership : lacking) {
        if (const int error = set(PACKET_ADD_MEMBERSHIP, membership)) {
            undo();
            return error;
        }
        added_.push_back(membership);
    }
    return 0;
}

void PacketMemberships::commit() noexcept {
    for (const auto& membership : held_)
        if (!std::ranges::binary_search(wanted_, membership)) set(PACKET_DROP_MEMBERSHIP, membership);
    held_ = std::move(wanted_);
    added_.clear();
}

void PacketMemberships::undo() noexcept {
    for (const auto& membership : added_) set(PACKET_DROP_MEMBERSHIP, membership);
    added_.clear();
}

}  // namespace pktverbs::soft
