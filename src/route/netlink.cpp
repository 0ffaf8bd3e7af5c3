// SPDX-License-Identifier: Apache-2.0
// Netlink: requests, answers and events of NETLINK_ROUTE (rtnetlink(7)).
#include "route/netlink.hpp"

#include <fmt/core.h>
#include <net/if.h>
#include <netlink/attr.h>
#include <netlink/errno.h>
#include <poll.h>

#include <cerrno>
#include <new>

#include <pktverbs/verbs/error.hpp>

#include "interface/interface_name.hpp"

namespace pktverbs::route {
namespace {

/// libnl has its own error numbers, made from errno if there was one (nl_syserr2nlerr() in its lib/error.c).
int errno_of(int error) {
    switch (-error) {
        case NLE_NOMEM:
            return ENOMEM;
        case NLE_PERM:
            return EPERM;
        case NLE_NOACCESS:
            return EACCES;
        case NLE_NODEV:
        case NLE_OBJ_NOTFOUND:
            return ENODEV;
        case NLE_BUSY:
            return EBUSY;
        case NLE_INVAL:
            return EINVAL;
        case NLE_OPNOTSUPP:
            return EOPNOTSUPP;
        case NLE_AF_NOSUPPORT:
            return EAFNOSUPPORT;
        default:
            return EIO;
    }
}

SocketHandle open_socket() {
    SocketHandle socket{nl_socket_alloc()};
    if (!socket) throw std::bad_alloc{};
    errno = 0;
    const int result = nl_connect(socket.get(), NETLINK_ROUTE);
    if (result < 0 && errno != 0) verbs::throw_error(errno, "open a netlink socket", "");
    check_libnl(result, "open a netlink socket");
    return socket;
}

CallbacksHandle make_callbacks() {
    CallbacksHandle callbacks{nl_cb_alloc(NL_CB_DEFAULT)};
    if (!callbacks) throw std::bad_alloc{};
    return callbacks;
}

}  // namespace

void throw_libnl(int error, std::string_view what) {
    verbs::throw_message(errno_of(error), fmt::format("cannot {}: {}", what, nl_geterror(error)));
}

Request::Request(int type) : message_{nlmsg_alloc_simple(type, 0)} {
    if (!message_) throw std::bad_alloc{};
}

void Request::append(const void* header, std::size_t bytes) {
    // libnl's parameter isn't const, but it only copies.
    check_libnl(nlmsg_append(get(), const_cast<void*>(header), bytes, NLMSG_ALIGNTO), "write a netlink request");
}

void Request::put(int attribute, std::span<const std::uint8_t> bytes) {
    check_libnl(nla_put(get(), attribute, static_cast<int>(bytes.size()), bytes.data()), "write a netlink request");
}

void Request::put(int attribute, std::uint32_t number) {
    check_libnl(nla_put_u32(get(), attribute, number), "write a netlink request");
}

Netlink::Netlink() : socket_{open_socket()} {
    // The answer itself, or an error, ends a request.
    nl_socket_disable_auto_ack(socket_.get());
}

Netlink::Answer Netlink::ask(const Request& request, std::string_view what) {
    Answer answer;
    const auto callbacks = make_callbacks();
    const auto keep = [](nl_msg* message, void* to) -> int {
        nlmsg_get(message);
        static_cast<Answer*>(to)->message.reset(message);
        return NL_STOP;
    };
    // libnl would convert the errno to one of its own numbers, and it has none for ENETUNREACH.
    const auto refuse = [](sockaddr_nl*, nlmsgerr* error, void* to) -> int {
        static_cast<Answer*>(to)->error = -error->error;
        return NL_STOP;
    };
    nl_cb_set(callbacks.get(), NL_CB_VALID, NL_CB_CUSTOM, keep, &answer);
    nl_cb_err(callbacks.get(), NL_CB_CUSTOM, refuse, &answer);
    check_libnl(nl_send_auto(socket_.get(), request.get()), what);
    while (!answer.message && answer.error == 0) {
        const int result = nl_recvmsgs(socket_.get(), callbacks.get());
        // After a refusal, the result is also one of those numbers.
        if (answer.error == 0 && result != -NLE_INTR) check_libnl(result, what);
    }
    return answer;
}

LinkHandle Netlink::link(unsigned index) {
    rtnl_link* found = nullptr;
    check_libnl(rtnl_link_get_kernel(socket_.get(), static_cast<int>(index), nullptr, &found),
                fmt::format("look at interface {}", index));
    return LinkHandle{found};
}

NeighbourEvents::NeighbourEvents() : socket_{open_socket()} {
    nl_socket_disable_seq_check(socket_.get());
    check_libnl(nl_socket_set_nonblocking(socket_.get()), "make a netlink socket non-blocking");
    check_libnl(nl_socket_add_membership(socket_.get(), RTNLGRP_NEIGH), "watch the kernel's table of neighbours");
}

bool NeighbourEvents::wait(const Deadline& deadline) {
    for (;;) {
        pollfd watched{nl_socket_get_fd(socket_.get()), POLLIN, 0};
        timespec space;
        const int ready = ppoll(&watched, 1, deadline.left(space), nullptr);
        if (ready == 0) return false;
        if (ready < 0 && errno != EINTR) verbs::throw_error(errno, "wait for the kernel's table of neighbours", "");
        if (ready > 0) break;
    }
    // The contents don't matter; if they were too much for the socket (ENOBUFS), something did change.
    while (nl_recvmsgs_default(socket_.get()) >= 0) {
    }
    return true;
}

unsigned index_of(std::string_view interface) {
    if (interface.empty()) return 0;
    const unsigned index = is_interface_name(interface) ? if_nametoindex(std::string{interface}.c_str()) : 0;
    if (index == 0) verbs::throw_error(ENODEV, fmt::format("find interface '{}'", interface), "see ip link");
    return index;
}

}  // namespace pktverbs::route
