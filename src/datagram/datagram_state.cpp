// SPDX-License-Identifier: Apache-2.0
#include "datagram/datagram_state.hpp"

#include <fmt/core.h>

#include <cerrno>
#include <string>

#include <pktverbs/verbs/address_handle.hpp>
#include <pktverbs/verbs/endpoint.hpp>
#include <pktverbs/verbs/error.hpp>

namespace pktverbs {

DatagramState::DatagramState(const Device& device, const verbs::Port& port, const ibv_port_attr& attributes,
                             std::uint32_t qkey)
    : device_{device},
      port_{port},
      port_attributes_{attributes},
      qkey_{qkey},
      open_{verbs::OpenDevice::lent(port.context, device.port, port.provider)},
      groups_{device.netdev} {}

ibv_qp& DatagramState::queue_pair(std::size_t queue) const {
    if (queue < queues_.size()) return *queues_[queue];
    verbs::throw_error(EINVAL, fmt::format("use queue {} of {}", queue, device_.name),
                       fmt::format("there are {}, counted from 0", queues_.size()));
}

verbs::Endpoint DatagramState::endpoint_of(std::size_t queue) const {
    return {.gid = open_.default_gid().gid,
            .queue_pair = queue_pair(queue).qp_num,
            .psn = 0,
            .qkey = qkey_,
            .lid = port_attributes_.lid,
            .mtu = port_attributes_.active_mtu};
}

void DatagramState::refuse_reply() const {
    verbs::throw_error(EINVAL, fmt::format("answer a packet on {}", device_.name), "it is no datagram");
}

ibv_ah* DatagramState::address_handle(const Ipv6Address& gid, std::uint16_t lid) {
    {
        const std::lock_guard lock{mutex_};
        if (const auto known = address_handles_.find({gid, lid}); known != address_handles_.end())
            return known->second.get();
    }
    verbs::AddressOptions options;
    options.gid = gid;
    options.gid_index = open_.gid_towards(gid).index;
    options.port = device_.port;
    options.lid = lid;
    ibv_ah_attr attr = options.to_attr();
    const std::string what = fmt::format("create an address handle to {}", gid.to_string());
    verbs::AhHandle handle{verbs::check_pointer({"create_ah", what, device_.name},
                                                [&] { return port_.provider.create_ah(port_.domain, &attr); }),
                           {&port_.provider}};
    // Without the lock until here: the kernel may have to resolve the route.
    const std::lock_guard lock{mutex_};
    return address_handles_.emplace(std::pair{gid, lid}, std::move(handle)).first->second.get();
}

void DatagramState::join_group(const Ipv6Address& group, std::size_t queue) {
    ibv_qp& qp = queue_pair(queue);
    need_ethernet();
    const std::lock_guard lock{mutex_};
    // Recorded before it is done: a join that is not recorded would never be undone, and the queue pair not be
    // destroyed.
    const auto [membership, is_new] = memberships_.insert({&qp, group});
    if (!is_new) return;
    bool is_joined = false;
    try {
        join_by_kernel(group);
        is_joined = true;
        const ibv_gid gid = verbs::to_gid(group);
        const std::string what = fmt::format("join the group {}", group.to_string());
        verbs::check_result({"attach_mcast", what, device_.name},
                            [&] { return port_.provider.attach_mcast(&qp, &gid, 0); });
    } catch (...) {
        if (is_joined) leave_by_kernel(group);
        memberships_.erase(membership);
        throw;
    }
}

void DatagramState::leave_group(const Ipv6Address& group, std::size_t queue) {
    ibv_qp& qp = queue_pair(queue);
    const std::lock_guard lock{mutex_};
    const auto at = memberships_.find({&qp, group});
    if (at == memberships_.end()) return;
    const std::string what = fmt::format("leave the group {}", group.to_string());
    verbs::check_result({"detach_mcast", what, device_.name}, [&] { return detach(*at); });
    memberships_.erase(at);
    leave_by_kernel(group);
}

void DatagramState::need_ethernet() const {
    if (port_attributes_.link_layer == IBV_LINK_LAYER_ETHERNET) return;
    verbs::throw_error(EOPNOTSUPP, "use groups or answer datagrams on " + device_.name,
                       "its port is InfiniBand: only endpoint() and peer(endpoint) work there");
}

void DatagramState::leave_all() noexcept {
    const std::lock_guard lock{mutex_};
    for (const Membership& membership : memberships_) {
        detach(membership);
        leave_by_kernel(membership.second);
    }
    memberships_.clear();
}

void DatagramState::join_by_kernel(const Ipv6Address& group) {
    if (const auto ipv4 = verbs::from_mapped(group))
        groups_.join(*ipv4);
    else
        groups_.join(group);
}

void DatagramState::leave_by_kernel(const Ipv6Address& group) noexcept {
    if (const auto ipv4 = verbs::from_mapped(group))
        groups_.leave(*ipv4);
    else
        groups_.leave(group);
}

int DatagramState::detach(const Membership& membership) const noexcept {
    const ibv_gid gid = verbs::to_gid(membership.second);
    return port_.provider.detach_mcast(membership.first, &gid, 0);
}

}  // namespace pktverbs
