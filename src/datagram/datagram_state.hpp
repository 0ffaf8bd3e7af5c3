// SPDX-License-Identifier: Apache-2.0
// DatagramState: what is behind every Datagrams: address handles and group memberships.
#pragma once

#include <infiniband/verbs.h>

#include <cstddef>
#include <cstdint>
#include <map>
#include <mutex>
#include <set>
#include <utility>
#include <vector>

#include <pktverbs/address/ipv6_address.hpp>
#include <pktverbs/datagram/datagrams.hpp>
#include <pktverbs/verbs/device.hpp>
#include <pktverbs/verbs/handle.hpp>
#include <pktverbs/verbs/open_device.hpp>

#include "flow/multicast_groups.hpp"
#include "verbs/port.hpp"

namespace pktverbs {

/// Every Datagrams is the base of one of these.
class DatagramState final : public Datagrams {
public:
    DatagramState(const Device& device, const verbs::Port& port, const ibv_port_attr& attributes, std::uint32_t qkey);

    static DatagramState& of(Datagrams& datagrams) noexcept { return static_cast<DatagramState&>(datagrams); }
    static const DatagramState& of(const Datagrams& datagrams) noexcept {
        return static_cast<const DatagramState&>(datagrams);
    }

    /// In the order of their indexes, before other threads use it.
    void add_queue(ibv_qp& qp) { queues_.push_back(&qp); }
    /// Before queue pairs are destroyed: those in a group can't be.
    void leave_all() noexcept;

    /// The longest payload.
    std::uint32_t mtu_bytes() const noexcept { return 128U << port_attributes_.active_mtu; }
    std::uint32_t qkey() const noexcept { return qkey_; }

    verbs::Endpoint endpoint_of(std::size_t queue) const;
    /// An address handle, made once for each GID and LID and kept. A LID is InfiniBand's; Ethernet has none.
    ibv_ah* address_handle(const Ipv6Address& gid, std::uint16_t lid = 0);
    /// `group` is an IPv6 address or a mapped IPv4 one.
    void join_group(const Ipv6Address& group, std::size_t queue);
    void leave_group(const Ipv6Address& group, std::size_t queue);
    /// Groups and replies need LIDs on InfiniBand, which are not known here: EOPNOTSUPP.
    void need_ethernet() const;
    [[noreturn]] void refuse_reply() const;

private:
    using Membership = std::pair<ibv_qp*, Ipv6Address>;
    ibv_qp& queue_pair(std::size_t queue) const;
    void join_by_kernel(const Ipv6Address& group);
    void leave_by_kernel(const Ipv6Address& group) noexcept;
    int detach(const Membership& membership) const noexcept;

    const Device device_;
    const verbs::Port port_;
    const ibv_port_attr port_attributes_;
    const std::uint32_t qkey_;
    const verbs::OpenDevice open_;
    std::vector<ibv_qp*> queues_;
    std::mutex mutex_;
    MulticastGroups groups_;
    std::set<Membership> memberships_;
    std::map<std::pair<Ipv6Address, std::uint16_t>, verbs::AhHandle> address_handles_;
};

}  // namespace pktverbs
