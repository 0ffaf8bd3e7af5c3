// SPDX-License-Identifier: Apache-2.0
#include <pktverbs/messages/address.hpp>

#include <arpa/inet.h>
#include <fmt/core.h>
#include <net/if.h>
#include <netdb.h>
#include <netinet/in.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <memory>

#include <pktverbs/address/ipv4_address.hpp>
#include <pktverbs/address/ipv6_address.hpp>
#include <pktverbs/verbs/error.hpp>

#include "base/parse_decimal.hpp"
#include "interface/interface_name.hpp"

namespace pktverbs::messages {

namespace {

struct HostAndPort {
    std::string_view host;
    std::uint16_t port;
    bool in_brackets;
};

/// "host", "host:port", "[v6]", "[v6]:port", or a bare IPv6 address, which has more than one colon. Nullopt if it is
/// none of them.
std::optional<HostAndPort> split(std::string_view text) {
    HostAndPort where{text, Address::default_port, text.starts_with('[')};
    std::string_view rest;
    if (where.in_brackets) {
        const auto end = text.find(']');
        if (end == std::string_view::npos) return std::nullopt;
        where.host = text.substr(1, end - 1);
        rest = text.substr(end + 1);
    } else if (const auto colon = text.find(':'); colon != std::string_view::npos && colon == text.rfind(':')) {
        where.host = text.substr(0, colon);
        rest = text.substr(colon);
    }
    if (where.host.empty()) return std::nullopt;
    if (rest.empty()) return where;
    const auto port = parse_decimal<std::uint16_t>(rest.substr(1));
    if (rest.front() != ':' || !port) return std::nullopt;
    where.port = *port;
    return where;
}

/// Whether the address is valid on one link or node only, so that a zone has a meaning (RFC 4007, 4).
bool needs_a_zone(const Ipv6Address& address) {
    const auto& bytes = address.bytes();
    if (address.is_multicast()) return (bytes[1] & 0xf) <= 2;
    return bytes[0] == 0xfe && (bytes[1] & 0xc0) == 0x80;
}

/// The index of a zone as getnameinfo(3) writes it: an interface's name, or the index as a number. 0: none.
std::uint32_t zone_index(std::string_view zone, const Ipv6Address& address) {
    if (needs_a_zone(address) && is_interface_name(zone))
        if (const auto index = if_nametoindex(std::string{zone}.c_str()); index != 0) return index;
    return parse_decimal<std::uint32_t>(zone).value_or(0);
}

std::optional<Address> read_numbers(const HostAndPort& where) {
    if (const auto ipv4 = Ipv4Address::parse(where.host); ipv4 && !where.in_brackets) {
        sockaddr_in at{};
        at.sin_family = AF_INET;
        at.sin_port = htons(where.port);
        std::memcpy(&at.sin_addr, ipv4->bytes().data(), ipv4->bytes().size());
        return Address{reinterpret_cast<const sockaddr&>(at)};
    }
    const auto percent = where.host.find('%');
    const auto ipv6 = Ipv6Address::parse(where.host.substr(0, percent));
    if (!ipv6) return std::nullopt;
    sockaddr_in6 at{};
    at.sin6_family = AF_INET6;
    at.sin6_port = htons(where.port);
    std::memcpy(&at.sin6_addr, ipv6->bytes().data(), ipv6->bytes().size());
    if (percent != std::string_view::npos) {
        at.sin6_scope_id = zone_index(where.host.substr(percent + 1), *ipv6);
        if (at.sin6_scope_id == 0) return std::nullopt;
    }
    return Address{reinterpret_cast<const sockaddr&>(at)};
}

/// Whether inet_aton(3), and so getaddrinfo(3), may accept it as an IPv4 address: "10.1", "010.0.0.1" for 8.0.0.1,
/// "0xa000001". No host name ends in a number (RFC 3696, 2).
bool ends_in_a_number(std::string_view host) {
    if (host.ends_with('.')) host.remove_suffix(1);
    std::string_view label = host.substr(host.rfind('.') + 1);
    const bool is_hex = label.starts_with("0x") || label.starts_with("0X");
    if (is_hex) label.remove_prefix(2);
    const auto digits = is_hex ? "0123456789abcdefABCDEF" : "0123456789";
    return (is_hex || !label.empty()) && label.find_first_not_of(digits) == std::string_view::npos;
}

/// Why a host that is no address is no name either; empty if it may be a name. getaddrinfo(3) reads only up to a NUL.
std::string_view why_no_name(const HostAndPort& where) {
    constexpr std::string_view never{"\0\t\n\v\f\r %/:[]", 12};
    if (where.in_brackets || where.host.find(':') != std::string_view::npos)
        return where.host.find('%') != std::string_view::npos ? "not an IPv6 address, or its zone names no interface"
                                                              : "not an IPv6 address";
    if (ends_in_a_number(where.host)) return "an IPv4 address is four decimal numbers without leading zeros: 10.0.0.1";
    return where.host.find_first_of(never) != std::string_view::npos ? "a host name has no such characters" : "";
}

struct FreeAddrinfo {
    void operator()(addrinfo* list) const noexcept { freeaddrinfo(list); }
};

/// getaddrinfo's own result: 0, or one of its EAI_ numbers.
int look_up(const HostAndPort& where, std::vector<Address>& found) {
    addrinfo wanted{};
    wanted.ai_flags = AI_NUMERICSERV | AI_ADDRCONFIG;
    wanted.ai_family = AF_UNSPEC;
    wanted.ai_socktype = SOCK_STREAM;
    addrinfo* first = nullptr;
    const std::string host{where.host};
    const int result = getaddrinfo(host.c_str(), std::to_string(where.port).c_str(), &wanted, &first);
    if (result != 0) return result;
    const std::unique_ptr<addrinfo, FreeAddrinfo> list{first};
    for (const addrinfo* info = first; info; info = info->ai_next)
        if (info->ai_family == AF_INET || info->ai_family == AF_INET6) found.emplace_back(*info->ai_addr);
    return found.empty() ? EAI_NONAME : 0;
}

}  // namespace

Address::Address(std::uint16_t port) noexcept {
    sockaddr_in6 any{};
    any.sin6_family = AF_INET6;
    any.sin6_port = htons(port);
    std::memcpy(&storage_, &any, sizeof any);
}

Address::Address(const sockaddr& address) noexcept {
    std::memcpy(&storage_, &address, address.sa_family == AF_INET6 ? sizeof(sockaddr_in6) : sizeof(sockaddr_in));
}

std::optional<Address> Address::parse(std::string_view text) {
    const auto where = split(text);
    return where ? read_numbers(*where) : std::nullopt;
}

std::vector<Address> Address::resolve(std::string_view text) {
    const std::string what = fmt::format("look up {}", text);
    const auto where = split(text);
    if (!where) verbs::throw_error(EINVAL, what, "expected HOST, HOST:PORT or [IPV6]:PORT");
    if (const auto number = read_numbers(*where)) return {*number};
    if (const auto why = why_no_name(*where); !why.empty()) verbs::throw_error(EINVAL, what, why);
    std::vector<Address> found;
    const int error = look_up(*where, found);
    if (error == 0) return found;
    if (error == EAI_SYSTEM) verbs::throw_error(errno, what, {});
    verbs::throw_error(ENXIO, what, gai_strerror(error));
}

std::uint16_t Address::port() const noexcept {
    // Both families have it at the same offset.
    return ntohs(reinterpret_cast<const sockaddr_in*>(&storage_)->sin_port);
}

socklen_t Address::raw_size() const noexcept { return is_ipv6() ? sizeof(sockaddr_in6) : sizeof(sockaddr_in); }

std::string Address::to_string() const {
    std::array<char, NI_MAXHOST> host{};
    const auto size = static_cast<socklen_t>(host.size());
    if (getnameinfo(raw(), raw_size(), host.data(), size, nullptr, 0, NI_NUMERICHOST) != 0) return "(no address)";
    return is_ipv6() ? fmt::format("[{}]:{}", host.data(), port()) : fmt::format("{}:{}", host.data(), port());
}

}  // namespace pktverbs::messages
