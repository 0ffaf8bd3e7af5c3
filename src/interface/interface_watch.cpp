// SPDX-License-Identifier: Apache-2.0
#include "interface/interface_watch.hpp"

#include <arpa/inet.h>
#include <linux/filter.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <iterator>
#include <system_error>
#include <utility>

#include "interface/rtnetlink.hpp"

namespace pktverbs {

namespace {

constexpr std::size_t message_bytes = 32768;
constexpr unsigned passing = ~0U;  // filter result: the whole message

/// Passes messages about one interface, except changes of promiscuous mode: flows cause those, and a program's own
/// flows must not wake it. Filters load big-endian numbers; the messages are in host order.
void attach_filter(int socket, int index) {
    constexpr unsigned about = sizeof(nlmsghdr) + offsetof(ifinfomsg, ifi_index);
    static_assert(about == sizeof(nlmsghdr) + offsetof(ifaddrmsg, ifa_index), "one place in both kinds of message");
    constexpr unsigned change = sizeof(nlmsghdr) + offsetof(ifinfomsg, ifi_change);
    const auto load = [](unsigned at) { return sock_filter{BPF_LD | BPF_W | BPF_ABS, 0, 0, at}; };
    const auto end = [](unsigned bytes) { return sock_filter{BPF_RET | BPF_K, 0, 0, bytes}; };
    sock_filter program[] = {
        load(about),
        {BPF_JMP | BPF_JEQ | BPF_K, 1, 0, htonl(static_cast<std::uint32_t>(index))},
        end(0),
        {BPF_LD | BPF_H | BPF_ABS, 0, 0, offsetof(nlmsghdr, nlmsg_type)},
        {BPF_JMP | BPF_JEQ | BPF_K, 1, 0, htons(RTM_NEWLINK)},
        end(passing),
        load(change),
        {BPF_JMP | BPF_JEQ | BPF_K, 0, 1, 0},  // more than flags has changed
        end(passing),
        {BPF_JMP | BPF_JSET | BPF_K, 0, 1, htonl(~static_cast<std::uint32_t>(IFF_PROMISC | IFF_ALLMULTI))},
        end(passing),
        end(0),
    };
    const sock_fprog all{static_cast<unsigned short>(std::size(program)), program};
    if (::setsockopt(socket, SOL_SOCKET, SO_ATTACH_FILTER, &all, sizeof all) != 0)
        throw std::system_error{errno, std::generic_category(), "cannot filter the messages about interfaces"};
}

}  // namespace

InterfaceWatch::InterfaceWatch(std::shared_ptr<const Interface> interface)
    : interface_{std::move(interface)},
      socket_{interface_->socket(AF_NETLINK, SOCK_RAW | SOCK_NONBLOCK, NETLINK_ROUTE)} {
    if (!socket_)
        throw std::system_error{errno, std::generic_category(), "cannot open a socket to watch " + interface_->label()};
    attach_filter(socket_.get(), interface_->index());
    sockaddr_nl groups{};
    groups.nl_family = AF_NETLINK;
    groups.nl_groups = RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR;
    if (::bind(socket_.get(), reinterpret_cast<const sockaddr*>(&groups), sizeof groups) != 0)
        throw std::system_error{errno, std::generic_category(), "cannot watch " + interface_->label()};
}

InterfaceWatch::News InterfaceWatch::next(LinkState& state) noexcept {
    alignas(nlmsghdr) std::array<std::byte, message_bytes> buffer;
    constexpr int max_tries = 64;  // messages from senders other than the kernel, and of other kinds
    for (int tries = 0; tries < max_tries; ++tries) {
        auto bytes = rtnetlink::receive(socket_.get(), buffer);
        if (!bytes && errno == EINTR) continue;
        if (!bytes && errno == ENOBUFS) return read_anew(state);
        if (!bytes) return {};
        const auto message = rtnetlink::take_message(*bytes);  // each is sent separately
        if (!message) continue;
        switch (message->header.nlmsg_type) {
            case RTM_NEWADDR:
            case RTM_DELADDR:
                return {.any = true, .addresses = true};
            case RTM_NEWLINK:
                if (rtnetlink::update(state, *message)) return {.any = true, .state = true};
                break;
            case RTM_DELLINK: {
                const auto link = rtnetlink::read<ifinfomsg>(message->payload);
                // A bridge sends this for a port that leaves it.
                if (link && link->ifi_family == AF_UNSPEC) return {.any = true, .gone = true};
                break;
            }
            default:
                break;
        }
    }
    return {.any = true};
}

/// Messages were dropped, and the remaining ones are older than the state read now.
InterfaceWatch::News InterfaceWatch::read_anew(LinkState& state) noexcept {
    constexpr int max_left = 1 << 16;
    std::byte one;
    for (int i = 0; i < max_left && ::recv(socket_.get(), &one, sizeof one, MSG_DONTWAIT | MSG_TRUNC) >= 0;) ++i;
    const auto now = interface_->state();
    if (now) state = *now;
    // Getting no answer does not mean that the interface is gone.
    return {.any = true, .state = now.has_value(), .addresses = true, .gone = !now && errno == ENODEV};
}

}  // namespace pktverbs
