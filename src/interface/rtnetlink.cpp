// SPDX-License-Identifier: Apache-2.0
#include "interface/rtnetlink.hpp"

#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>

namespace pktverbs::rtnetlink {

namespace {

// Not by the macros of netlink(3) and rtnetlink(3), which cast const away.
constexpr std::size_t align(std::size_t bytes) noexcept {
    return (bytes + NLMSG_ALIGNTO - 1) & ~std::size_t{NLMSG_ALIGNTO - 1};
}
static_assert(NLMSG_ALIGNTO == RTA_ALIGNTO);

}  // namespace

std::optional<Bytes> receive(int socket, std::span<std::byte> buffer) noexcept {
    sockaddr_nl from{};
    socklen_t from_bytes = sizeof from;
    const ssize_t got =
        ::recvfrom(socket, buffer.data(), buffer.size(), MSG_DONTWAIT, reinterpret_cast<sockaddr*>(&from), &from_bytes);
    if (got >= 0 && from.nl_pid == 0) return buffer.first(static_cast<std::size_t>(got));
    if (got >= 0) errno = EINTR;
    return std::nullopt;
}

std::optional<Message> take_message(Bytes& bytes) noexcept {
    const auto header = read<nlmsghdr>(bytes);
    if (!header || header->nlmsg_len < sizeof *header || header->nlmsg_len > bytes.size()) return std::nullopt;
    const Bytes whole = bytes.first(header->nlmsg_len);
    bytes = bytes.subspan(std::min(align(whole.size()), bytes.size()));
    return Message{*header, whole.subspan(std::min(align(sizeof *header), whole.size()))};
}

Bytes attribute(Bytes payload, std::size_t header_bytes, unsigned short type) noexcept {
    Bytes rest = payload.subspan(std::min(align(header_bytes), payload.size()));
    while (const auto head = read<rtattr>(rest)) {
        if (head->rta_len < sizeof *head || head->rta_len > rest.size()) break;
        // The upper bits are flags (NLA_F_NESTED).
        if ((head->rta_type & NLA_TYPE_MASK) == type) return rest.first(head->rta_len).subspan(sizeof *head);
        rest = rest.subspan(std::min(align(head->rta_len), rest.size()));
    }
    return {};
}

bool update(LinkState& state, const Message& message) noexcept {
    if (message.header.nlmsg_type != RTM_NEWLINK) return false;
    const auto link = read<ifinfomsg>(message.payload);
    // Bridges report their ports by the same messages, with their own family (br_ifinfo_notify() in the kernel).
    if (!link || link->ifi_family != AF_UNSPEC) return false;
    state.index = link->ifi_index;
    state.type = link->ifi_type;
    state.flags = link->ifi_flags;
    const auto value = [&](unsigned short type) { return attribute(message.payload, sizeof(ifinfomsg), type); };
    if (const auto mtu = read<std::uint32_t>(value(IFLA_MTU))) state.mtu = *mtu;
    if (const Bytes bytes = value(IFLA_ADDRESS); bytes.size() == MacAddress::size)
        state.mac = MacAddress{*read<MacAddress::Bytes>(bytes)};
    if (const Bytes name = value(IFLA_IFNAME); !name.empty()) {
        state.name_text = {};
        std::memcpy(state.name_text.data(), name.data(), std::min(name.size(), state.name_text.size() - 1));
    }
    return true;
}

std::optional<Address> address(const Message& message) noexcept {
    if (message.header.nlmsg_type != RTM_NEWADDR) return std::nullopt;
    const auto info = read<ifaddrmsg>(message.payload);
    if (!info) return std::nullopt;
    // On a point-to-point link IFA_ADDRESS is the other end's (linux/if_addr.h).
    Bytes bytes = attribute(message.payload, sizeof *info, IFA_LOCAL);
    if (bytes.empty()) bytes = attribute(message.payload, sizeof *info, IFA_ADDRESS);
    Ipv6Address::Bytes text{};
    if (info->ifa_family == AF_INET && bytes.size() == 4) {
        text[10] = text[11] = 0xff;
        std::memcpy(&text[12], bytes.data(), 4);
    } else if (info->ifa_family == AF_INET6 && bytes.size() == text.size()) {
        std::memcpy(text.data(), bytes.data(), text.size());
    } else {
        return std::nullopt;
    }
    return Address{static_cast<int>(info->ifa_index), Ipv6Address{text}};
}

}  // namespace pktverbs::rtnetlink
