// SPDX-License-Identifier: Apache-2.0
// A soft device's port, and its tables.
#include "soft/verbs/control_verbs.hpp"

#include <algorithm>
#include <cerrno>
#include <new>

#include "soft/nic/gid_table.hpp"

namespace pktverbs::soft::control {

namespace {

ibv_mtu mtu_class(std::uint32_t mtu) noexcept {
    if (mtu >= 4096) return IBV_MTU_4096;
    if (mtu >= 2048) return IBV_MTU_2048;
    if (mtu >= 1024) return IBV_MTU_1024;
    return mtu >= 512 ? IBV_MTU_512 : IBV_MTU_256;
}

}  // namespace

int query_port(ibv_context* context, std::uint8_t port, ibv_port_attr* attr) {
    if (port != 1) return EINVAL;
    Nic& nic = Nic::of(context);
    Link& link = nic.link_now();
    const bool up = link.up();
    *attr = {};
    attr->state = up ? IBV_PORT_ACTIVE : IBV_PORT_DOWN;
    attr->max_mtu = IBV_MTU_4096;
    attr->active_mtu = mtu_class(link.mtu());
    attr->gid_tbl_len = static_cast<int>(gid_table_size);
    // As the kernel reports for mlx5's RoCE ports: GIDs are IP addresses, and packets have a GRH.
    attr->port_cap_flags = IBV_PORT_CM_SUP | IBV_PORT_IP_BASED_GIDS;
    attr->flags = IBV_QPF_GRH_REQUIRED;
    attr->max_msg_sz = nic.max_frame();
    attr->pkey_tbl_len = 1;
    attr->active_width = 2;         // 4X
    attr->active_speed = 32;        // EDR: 25 Gb/s a lane
    attr->phys_state = up ? 5 : 3;  // LinkUp, Disabled
    attr->link_layer = IBV_LINK_LAYER_ETHERNET;
    return 0;
}

int query_port_sized(ibv_context* context, std::uint8_t port, ibv_port_attr* attr, std::size_t size) {
    ibv_port_attr whole;
    if (const int error = query_port(context, port, &whole)) return error;
    copy_sized(attr, size, whole);
    return 0;
}

int query_gid_ex(ibv_context* context, std::uint32_t port, std::uint32_t index, ibv_gid_entry* entry,
                 std::uint32_t flags) {
    if (flags != 0) return EOPNOTSUPP;
    if (port != 1 || index >= gid_table_size) return EINVAL;
    try {
        const auto entries = list_gids(context);
        if (index >= entries.size()) return ENODATA;
        *entry = entries[index];
        return 0;
    } catch (const std::bad_alloc&) {
        return ENOMEM;
    }
}

int query_gid(ibv_context* context, std::uint8_t port, int index, ibv_gid* gid) {
    ibv_gid_entry entry{};
    const int error = query_gid_ex(context, port, static_cast<std::uint32_t>(index), &entry, 0);
    // A NIC answers with zeros where there is no GID.
    if (error != 0 && error != ENODATA) {
        errno = error;
        return -1;
    }
    *gid = entry.gid;
    return 0;
}

ssize_t query_gid_table(ibv_context* context, ibv_gid_entry* entries, std::size_t max_entries, std::uint32_t flags) {
    if (flags != 0) return -EOPNOTSUPP;
    try {
        const auto gids = list_gids(context);
        // An array that is too small is an error (ibv_query_gid_table(3)); nothing is written then.
        if (gids.size() > max_entries) return -EINVAL;
        std::ranges::copy(gids, entries);
        return static_cast<ssize_t>(gids.size());
    } catch (const std::bad_alloc&) {
        return -ENOMEM;
    }
}

int query_pkey(ibv_context*, std::uint8_t port, int index, __be16* pkey) {
    if (port != 1 || index != 0) {
        errno = EINVAL;
        return -1;
    }
    *pkey = 0xffff;  // the default partition, and a full member of it: all that Ethernet has
    return 0;
}

}  // namespace pktverbs::soft::control
