// SPDX-License-Identifier: Apache-2.0
// MulticastGroups: the multicast groups that an interface has joined on our behalf.
#pragma once

#include <cstddef>
#include <list>
#include <map>
#include <memory>
#include <utility>
#include <variant>

#include <pktverbs/address/ipv4_address.hpp>
#include <pktverbs/address/ipv6_address.hpp>

#include "interface/interface.hpp"

namespace pktverbs {

/// Joins groups through the kernel, which informs the switches by IGMP and MLD: on the interface and in its network
/// namespace, whichever namespace the calling thread is in. A group joined n times stays until it has been left n
/// times. One thread at a time; the caller locks.
class MulticastGroups {
public:
    /// With null it only counts: a wire has no kernel interface.
    explicit MulticastGroups(std::shared_ptr<const Interface> interface) noexcept : interface_{std::move(interface)} {}
    MulticastGroups(const MulticastGroups&) = delete;
    MulticastGroups& operator=(const MulticastGroups&) = delete;
    /// Leaves all groups.
    ~MulticastGroups();

    /// Throws std::system_error and changes nothing then: EINVAL if `group` is not a multicast address, ENODEV if the
    /// interface was removed, EPERM if the calling thread is in another network namespace and may not enter the
    /// interface's, or the kernel's errno.
    void join(const Ipv4Address& group) { join(Group{group}); }
    void join(const Ipv6Address& group) { join(Group{group}); }
    /// Leaving a group that was not joined is not an error.
    void leave(const Ipv4Address& group) noexcept { leave(Group{group}); }
    void leave(const Ipv6Address& group) noexcept { leave(Group{group}); }

    /// The number of distinct groups joined now.
    std::size_t size() const noexcept { return memberships_.size(); }
    /// Open sockets: each carries at most net.ipv4.igmp_max_memberships groups, 20 by default.
    std::size_t socket_count() const noexcept { return sockets_.size(); }

private:
    using Group = std::variant<Ipv4Address, Ipv6Address>;
    struct Socket {
        int fd;
        int family;
        std::size_t groups = 0;
    };
    struct Membership {
        std::size_t joins = 0;
        std::list<Socket>::iterator socket;
    };

    void join(const Group& group);
    void leave(const Group& group) noexcept;
    void join_by_kernel(const Group& group, Membership& membership);
    [[noreturn]] void fail(int error, const Group& group) const;

    std::shared_ptr<const Interface> interface_;
    std::list<Socket> sockets_;
    std::map<Group, Membership> memberships_;
};

}  // namespace pktverbs
