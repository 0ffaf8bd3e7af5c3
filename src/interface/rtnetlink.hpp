// SPDX-License-Identifier: Apache-2.0
// rtnetlink(7): parsing of the kernel's messages about interfaces and addresses. Truncated parts are not read.
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

/// Receives one datagram from the kernel on a netlink socket into `buffer`, without waiting. nullopt with errno if
/// there is none; EINTR also for datagrams from other senders, which are discarded.
std::optional<Bytes> receive(int socket, std::span<std::byte> buffer) noexcept;

/// Takes the first message off `bytes`; nullopt at the end.
std::optional<Message> take_message(Bytes& bytes) noexcept;

/// The structure at the start of a payload; nullopt if the payload is shorter.
template <class Header>
std::optional<Header> read(Bytes payload) noexcept {
    if (payload.size() < sizeof(Header)) return std::nullopt;
    Header header;
    std::memcpy(&header, payload.data(), sizeof header);
    return header;
}

/// The bytes of an attribute after a header of so many bytes; empty if it is missing.
Bytes attribute(Bytes payload, std::size_t header_bytes, unsigned short type) noexcept;

/// Updates `state` from a message about an interface (RTM_NEWLINK); fields that the message lacks stay. Returns false,
/// and changes nothing, for other kinds of messages.
bool update(LinkState& state, const Message& message) noexcept;

/// The interface's own address in a message about one (RTM_NEWADDR), IPv4 as ::ffff:a.b.c.d; nullopt for other messages
/// and families.
struct Address {
    int interface_index;
    Ipv6Address address;
};
std::optional<Address> address(const Message& message) noexcept;

}  // namespace pktverbs::rtnetlink
