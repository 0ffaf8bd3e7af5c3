// SPDX-License-Identifier: Apache-2.0
#include "soft/nic/gid_table.hpp"

#include <algorithm>

#include <pktverbs/address/ipv6_address.hpp>

#include "soft/nic/nic.hpp"

namespace pktverbs::soft {

// The kernel begins the table with default GIDs, made of the MAC address, one for each version of RoCE; addresses
// follow, each with both, and one that is already in the table is not added again (drivers/infiniband/core/cache.c,
// roce_gid_mgmt.c).
std::vector<ibv_gid_entry> list_gids(ibv_context* context) {
    const Link& link = Nic::of(context).link_now();
    std::vector<Ipv6Address> addresses{Ipv6Address::link_local(link.mac())};
    for (const Ipv6Address& address : link.addresses())
        if (std::ranges::find(addresses, address) == addresses.end()) addresses.push_back(address);

    std::vector<ibv_gid_entry> entries;
    for (const Ipv6Address& address : addresses) {
        if (entries.size() + 2 > gid_table_size) break;
        for (const ibv_gid_type type : {IBV_GID_TYPE_ROCE_V1, IBV_GID_TYPE_ROCE_V2}) {
            ibv_gid_entry entry{};
            std::copy(address.bytes().begin(), address.bytes().end(), entry.gid.raw);
            entry.gid_index = static_cast<std::uint32_t>(entries.size());
            entry.port_num = 1;
            entry.gid_type = type;
            entry.ndev_ifindex = link.interface_index();
            entries.push_back(entry);
        }
    }
    return entries;
}

}  // namespace pktverbs::soft
