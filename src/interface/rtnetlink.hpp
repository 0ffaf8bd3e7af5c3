// SPDX-License-Identifier: Apache-2.0
// rtnetlink(7): messages of the kernel about interfaces and addresses, read. Nothing that is cut short is read.
#pragma once

#include <linux/netlink.h>

#include <cstddef>
#include <cstring>
#include <optional>
#include <span>

#include <pktverbs/address/ipv6_address.hpp>

#include "interface/link_state.hpp"

namespace pktverbs::rtnetlink {

using Bytes = std::span<const std::byte>;

/// One message; its header is a copy.
struct Message {
    nlmsghdr header;
    Bytes payload;
};

/// What the kernel has sent to a netlink socket: at most a datagram, into `buffer`, without waiting. Nullopt and errno
/// if there is nothing; EINTR also for what others than the kernel send, which is taken away.
std::optional<Bytes> receive(int socket, std::span<std::byte> buffer) noexcept;

/// The first message in `bytes`, which then begin with the next one; nullopt at the end.
std::optional<Message> take_message(Bytes& bytes) noexcept;

/// What stands at the start of a payload; nullopt if that is shorter.
template <class Header>
std::optional<Header> read(Bytes payload) noexcept {
    if (payload.size() < sizeof(Header)) return std::nullopt;
    Header header;
    std::memcpy(&header, payload.data(), sizeof header);
    return header;
}

/// The bytes of an attribute behind a header of so many bytes; empty if it is not there.
Bytes attribute(Bytes payload, std::size_t header_bytes, unsigned short type) noexcept;

/// Writes to `state` what a message about an interface (RTM_NEWLINK) says: what it leaves out stays. Returns false, and
/// changes nothing, for a message of another kind.
bool update(LinkState& state, const Message& message) noexcept;

/// The interface's own address in a message about one (RTM_NEWADDR), IPv4 as ::ffff:a.b.c.d; nullopt for other messages
/// and families.
struct Address {
    int interface_index;
    Ipv6Address address;
};
std::optional<Address> address(const Message& message) noexcept;

}  // namespace pktverbs::rtnetlink
