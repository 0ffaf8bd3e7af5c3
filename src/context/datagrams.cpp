// SPDX-License-Identifier: Apache-2.0
#include "context/datagrams.hpp"

#include <fmt/core.h>

#include <cerrno>
#include <string>

#include <pktverbs/verbs/address_handle.hpp>
#include <pktverbs/verbs/endpoint.hpp>
#include <pktverbs/verbs/error.hpp>

namespace pktverbs {

Datagrams::Datagrams(const Device& device, ibv_context* context, ibv_pd* pd, const ibv_port_attr& port)
    : device_{device},
      pd_{pd},
      port_{port},
      open_{verbs::OpenDevice::lent(context, device.port, *device.provider)},
      groups_{device.netdev} {}

verbs::Endpoint Datagrams::endpoint(const ibv_qp& qp, std::uint32_t qkey) const {
    return {.gid = open_.default_gid().gid,
            .queue_pair = qp.qp_num,
            .psn = 0,
            .qkey = qkey,
            .lid = port_.lid,
            .mtu = port_.active_mtu};
}

ibv_ah* Datagrams::way_to(const Ipv6Address& gid, std::uint16_t lid) {
    {
        const std::lock_guard lock{mutex_};
        if (const auto known = ways_.find({gid, lid}); known != ways_.end()) return known->second.get();
    }
    verbs::AddressOptions options;
    options.gid = gid;
    options.gid_index = open_.gid_towards(gid).index;
    options.port = device_.port;
    options.lid = lid;
    ibv_ah_attr attr = options.to_attr();
    const std::string what = fmt::format("create an address handle to {}", gid.to_string());
    verbs::AhHandle way{verbs::check_pointer({"create_ah", what, device_.name},
                                             [&] { return device_.provider->create_ah(pd_, &attr); }),
                        {device_.provider}};
    // Without the lock until here: the kernel may have to ask for the way.
    const std::lock_guard lock{mutex_};
    return ways_.emplace(std::pair{gid, lid}, std::move(way)).first->second.get();
}

void Datagrams::join(ibv_qp& qp, const Ipv6Address& group) {
    need_ethernet();
    const std::lock_guard lock{mutex_};
    // Noted before it is done: what can't be noted could not be undone, and the queue pair not be destroyed.
    const auto [membership, is_new] = memberships_.insert({&qp, group});
    if (!is_new) return;
    bool is_joined = false;
    try {
        join_by_kernel(group);
        is_joined = true;
        const ibv_gid gid = verbs::to_gid(group);
        const std::string what = fmt::format("join the group {}", group.to_string());
        verbs::check_result({"attach_mcast", what, device_.name},
                            [&] { return device_.provider->attach_mcast(&qp, &gid, 0); });
    } catch (...) {
        if (is_joined) leave_by_kernel(group);
        memberships_.erase(membership);
        throw;
    }
}

void Datagrams::leave(ibv_qp& qp, const Ipv6Address& group) {
    const std::lock_guard lock{mutex_};
    const auto at = memberships_.find({&qp, group});
    if (at == memberships_.end()) return;
    const std::string what = fmt::format("leave the group {}", group.to_string());
    verbs::check_result({"detach_mcast", what, device_.name}, [&] { return detach(*at); });
    memberships_.erase(at);
    leave_by_kernel(group);
}

void Datagrams::need_ethernet() const {
    if (port_.link_layer == IBV_LINK_LAYER_ETHERNET) return;
    verbs::throw_error(EOPNOTSUPP, "use groups or answer datagrams on " + device_.name,
                       "its port is InfiniBand: only endpoint() and peer(endpoint) work there");
}

void Datagrams::leave_all() noexcept {
    const std::lock_guard lock{mutex_};
    for (const Membership& membership : memberships_) {
        detach(membership);
        leave_by_kernel(membership.second);
    }
    memberships_.clear();
}

void Datagrams::join_by_kernel(const Ipv6Address& group) {
    if (const auto ipv4 = verbs::from_mapped(group))
        groups_.join(*ipv4);
    else
        groups_.join(group);
}

void Datagrams::leave_by_kernel(const Ipv6Address& group) noexcept {
    if (const auto ipv4 = verbs::from_mapped(group))
        groups_.leave(*ipv4);
    else
        groups_.leave(group);
}

int Datagrams::detach(const Membership& membership) const noexcept {
    const ibv_gid gid = verbs::to_gid(membership.second);
    return device_.provider->detach_mcast(membership.first, &gid, 0);
}

}  // namespace pktverbs
