// SPDX-License-Identifier: Apache-2.0
// Datagrams: the address handles and multicast groups of a context on datagram queue pairs.
#pragma once

#include <infiniband/verbs.h>

#include <cstdint>
#include <map>
#include <mutex>
#include <set>
#include <utility>

#include <pktverbs/address/ipv6_address.hpp>
#include <pktverbs/verbs/device.hpp>
#include <pktverbs/verbs/endpoint.hpp>
#include <pktverbs/verbs/handle.hpp>
#include <pktverbs/verbs/open_device.hpp>

#include "flow/multicast_groups.hpp"

namespace pktverbs {

/// Any thread may use it. Throws std::system_error.
class Datagrams {
public:
    Datagrams(const Device& device, ibv_context* context, ibv_pd* pd, const ibv_port_attr& port);

    verbs::Endpoint endpoint(const ibv_qp& qp, std::uint32_t qkey) const;
    /// An address handle, made once for each GID and LID and kept. A LID is InfiniBand's; Ethernet has none.
    ibv_ah* way_to(const Ipv6Address& gid, std::uint16_t lid = 0);
    /// `group` is an IPv6 address or a mapped IPv4 one.
    void join(ibv_qp& qp, const Ipv6Address& group);
    void leave(ibv_qp& qp, const Ipv6Address& group);
    /// Before queue pairs end: those in a group can't.
    void leave_all() noexcept;

    /// Groups and the way back need LIDs on InfiniBand, which nobody here knows: EOPNOTSUPP.
    void need_ethernet() const;

    /// The longest payload.
    std::uint32_t mtu_bytes() const noexcept { return 128U << port_.active_mtu; }

private:
    using Membership = std::pair<ibv_qp*, Ipv6Address>;
    void join_by_kernel(const Ipv6Address& group);
    void leave_by_kernel(const Ipv6Address& group) noexcept;
    int detach(const Membership& membership) const noexcept;

    const Device device_;
    ibv_pd* const pd_;
    const ibv_port_attr port_;
    const verbs::OpenDevice open_;
    std::mutex mutex_;
    MulticastGroups groups_;
    std::set<Membership> memberships_;
    std::map<std::pair<Ipv6Address, std::uint16_t>, verbs::AhHandle> ways_;
};

}  // namespace pktverbs
