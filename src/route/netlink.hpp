// SPDX-License-Identifier: Apache-2.0
// Netlink: a socket to the kernel's routing tables, through libnl.
#pragma once

#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <netlink/object.h>
#include <netlink/route/link.h>
#include <netlink/route/neighbour.h>
#include <netlink/route/route.h>
#include <netlink/socket.h>

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "base/deadline.hpp"

namespace pktverbs::route {

/// Destroys a libnl object by its own function.
template <auto release>
struct Release {
    template <class Object>
    void operator()(Object* object) const noexcept {
        release(object);
    }
};
using SocketHandle = std::unique_ptr<nl_sock, Release<nl_socket_free>>;
using CallbacksHandle = std::unique_ptr<nl_cb, Release<nl_cb_put>>;
using MessageHandle = std::unique_ptr<nl_msg, Release<nlmsg_free>>;
using RouteHandle = std::unique_ptr<rtnl_route, Release<rtnl_route_put>>;
using NeighbourHandle = std::unique_ptr<rtnl_neigh, Release<rtnl_neigh_put>>;
using LinkHandle = std::unique_ptr<rtnl_link, Release<rtnl_link_put>>;

/// The one funnel for libnl's own errors (negative NLE_ numbers): throws std::system_error with the original errno, or
/// EIO if there is none, and the text of nl_geterror().
[[noreturn]] void throw_libnl(int error, std::string_view what);
inline int check_libnl(int result, std::string_view what) {
    if (result < 0) throw_libnl(result, what);
    return result;
}

/// A request to fill; the parts must fit into a page, as all of ours do.
class Request {
public:
    /// Throws std::bad_alloc.
    template <class Header>
    Request(int type, const Header& header) : Request{type} {
        append(&header, sizeof header);
    }
    void put(int attribute, std::span<const std::uint8_t> bytes);
    void put(int attribute, std::uint32_t number);
    nl_msg* get() const noexcept { return message_.get(); }

private:
    explicit Request(int type);
    void append(const void* header, std::size_t bytes);

    MessageHandle message_;
};

/// One thread at a time.
class Netlink {
public:
    Netlink();

    /// The kernel's answer to a request for one object; the caller owns the reply. The kernel's errno if it refuses.
    struct Answer {
        int error = 0;
        MessageHandle message{};
    };
    Answer ask(const Request& request, std::string_view what);

    /// An interface by its index. Throws.
    LinkHandle link(unsigned index);

private:
    SocketHandle socket_;
};

/// Receives every change in the table of neighbours, from construction on.
class NeighbourEvents {
public:
    NeighbourEvents();
    /// Waits for a change, and takes all pending ones. False at the deadline.
    bool wait(const Deadline& deadline);

private:
    SocketHandle socket_;
};

/// The index of an interface by its name; 0 for an empty name. Throws ENODEV.
unsigned index_of(std::string_view interface);

}  // namespace pktverbs::route
