// SPDX-License-Identifier: Apache-2.0
// MulticastGroups: memberships of unbound sockets, which receive nothing themselves.
#include "flow/multicast_groups.hpp"

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include <fmt/core.h>

#include <pktverbs/verbs/error.hpp>

namespace pktverbs {
namespace {

/// Returns 0 or an errno.
int set_option(int fd, int level, int option, const void* value, std::size_t size) {
    return ::setsockopt(fd, level, option, value, static_cast<socklen_t>(size)) == 0 ? 0 : errno;
}

int family_of(const std::variant<Ipv4Address, Ipv6Address>& group) { return group.index() == 0 ? AF_INET : AF_INET6; }

enum class Change { join, leave };

int change(int fd, Change what, const Ipv4Address& group, int interface_index) {
    ip_mreqn request{};
    std::memcpy(&request.imr_multiaddr, group.bytes().data(), group.size);
    request.imr_ifindex = interface_index;
    return set_option(fd, IPPROTO_IP, what == Change::join ? IP_ADD_MEMBERSHIP : IP_DROP_MEMBERSHIP, &request,
                      sizeof request);
}

int change(int fd, Change what, const Ipv6Address& group, int interface_index) {
    ipv6_mreq request{};
    std::memcpy(&request.ipv6mr_multiaddr, group.bytes().data(), group.size);
    request.ipv6mr_interface = static_cast<unsigned>(interface_index);
    return set_option(fd, IPPROTO_IPV6, what == Change::join ? IPV6_ADD_MEMBERSHIP : IPV6_DROP_MEMBERSHIP, &request,
                      sizeof request);
}

/// Returns a descriptor, or -1 with errno.
int open_socket(const Interface& interface, int family) {
    const int fd = interface.socket(family, SOCK_DGRAM, 0);
    if (fd < 0) return fd;
    // By default a socket gets the datagrams of groups that others joined, too (ip(7)). These sockets get none, as they
    // are bound to no port; the option makes sure. Its absence for IPv6 before Linux 4.20 does not matter.
    const int off = 0;
    if (family == AF_INET)
        set_option(fd, IPPROTO_IP, IP_MULTICAST_ALL, &off, sizeof off);
    else
        set_option(fd, IPPROTO_IPV6, IPV6_MULTICAST_ALL, &off, sizeof off);
    return fd;
}

// IPv4 gives ENOBUFS at igmp_max_memberships, IPv6 ENOMEM at optmem_max (net/ipv4/igmp.c, net/ipv6/mcast.c).
bool is_full(int error) { return error == ENOBUFS || error == ENOMEM; }

}  // namespace

MulticastGroups::~MulticastGroups() {
    for (const Socket& socket : sockets_) ::close(socket.fd);
}

void MulticastGroups::fail(int error, const Group& group) const {
    std::string_view hint;
    if (error == EINVAL) hint = "it is no multicast address";
    if (error == ENOBUFS) hint = "raise net.ipv4.igmp_max_memberships";
    if (error == ENOMEM) hint = "raise net.core.optmem_max";
    if (error == EMFILE) hint = "raise ulimit -n";
    if (error == EPERM)
        hint =
            "the calling thread is in another network namespace than the device was found in, and may not enter that";
    const auto text = std::visit([](const auto& address) { return address.to_string(); }, group);
    verbs::throw_error(error,
                       interface_ ? fmt::format("join multicast group {} on {}", text, interface_->label())
                                  : fmt::format("join multicast group {}", text),
                       hint);
}

void MulticastGroups::join(const Group& group) {
    if (!std::visit([](const auto& address) { return address.is_multicast(); }, group)) fail(EINVAL, group);
    const auto [place, is_new] = memberships_.try_emplace(group);
    Membership& membership = place->second;
    if (is_new && interface_) {
        try {
            join_by_kernel(group, membership);
        } catch (...) {
            memberships_.erase(place);
            throw;
        }
    }
    ++membership.joins;
}

void MulticastGroups::join_by_kernel(const Group& group, Membership& membership) {
    const auto join_on = [&](const Socket& socket) {
        return std::visit(
            [&](const auto& address) { return change(socket.fd, Change::join, address, interface_->index()); }, group);
    };

    for (auto socket = sockets_.begin(); socket != sockets_.end(); ++socket) {
        if (socket->family != family_of(group)) continue;
        const int error = join_on(*socket);
        if (error == 0) {
            ++socket->groups;
            membership.socket = socket;
            return;
        }
        if (!is_full(error)) fail(error, group);
    }

    const auto socket = sockets_.insert(sockets_.end(), Socket{-1, family_of(group)});
    socket->fd = open_socket(*interface_, family_of(group));
    const int error = socket->fd < 0 ? errno : join_on(*socket);
    if (error != 0) {
        if (socket->fd >= 0) ::close(socket->fd);
        sockets_.erase(socket);
        fail(error, group);
    }
    socket->groups = 1;
    membership.socket = socket;
}

void MulticastGroups::leave(const Group& group) noexcept {
    const auto place = memberships_.find(group);
    if (place == memberships_.end()) return;
    const Membership& membership = place->second;
    if (--place->second.joins != 0) return;
    if (interface_) {
        // Fails if the interface was removed, which also ends the membership.
        std::visit(
            [&](const auto& address) { change(membership.socket->fd, Change::leave, address, interface_->index()); },
            group);
        if (--membership.socket->groups == 0) {
            ::close(membership.socket->fd);
            sockets_.erase(membership.socket);
        }
    }
    memberships_.erase(place);
}

}  // namespace pktverbs
