// SPDX-License-Identifier: Apache-2.0
#include <pktverbs/messages/address.hpp>

#include <arpa/inet.h>
#include <fmt/core.h>
#include <net/if.h>
#include <netdb.h>
#include <netinet/in.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <memory>
#include <utility>

#include <pktverbs/verbs/error.hpp>

namespace pktverbs::messages {

namespace {

struct HostAndPort {
    std::string host;
    std::string port;
};

/// "host", "host:port", "[v6]", "[v6]:port", or a bare IPv6 address, which has more than one colon. Nullopt if it is
/// none of them.
std::optional<HostAndPort> split(std::string_view text) {
    const std::string port = std::to_string(Address::default_port);
    std::string_view rest;
    std::string_view host = text;
    if (text.starts_with('[')) {
        const auto end = text.find(']');
        if (end == std::string_view::npos) return std::nullopt;
        host = text.substr(1, end - 1);
        rest = text.substr(end + 1);
    } else if (const auto colon = text.find(':'); colon != std::string_view::npos && colon == text.rfind(':')) {
        host = text.substr(0, colon);
        rest = text.substr(colon);
    }
    if (host.empty()) return std::nullopt;
    if (rest.empty()) return HostAndPort{std::string{host}, port};
    std::uint16_t number = 0;
    const char* const end = rest.data() + rest.size();
    const auto [next, error] = std::from_chars(rest.data() + 1, end, number);
    if (rest.front() != ':' || error != std::errc{} || next != end) return std::nullopt;
    return HostAndPort{std::string{host}, std::to_string(number)};
}

struct FreeAddrinfo {
    void operator()(addrinfo* list) const noexcept { freeaddrinfo(list); }
};

/// getaddrinfo's own result: 0, or one of its EAI_ numbers.
int look_up(const HostAndPort& where, int flags, std::vector<Address>& found) {
    addrinfo wanted{};
    wanted.ai_flags = flags;
    wanted.ai_family = AF_UNSPEC;
    wanted.ai_socktype = SOCK_STREAM;
    addrinfo* first = nullptr;
    const int result = getaddrinfo(where.host.c_str(), where.port.c_str(), &wanted, &first);
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
    std::vector<Address> found;
    if (!where || look_up(*where, AI_NUMERICHOST | AI_NUMERICSERV, found) != 0) return std::nullopt;
    return found.front();
}

std::vector<Address> Address::resolve(std::string_view text) {
    if (const auto number = parse(text)) return {*number};
    const std::string what = fmt::format("look up {}", text);
    const auto where = split(text);
    if (!where) verbs::throw_error(EINVAL, what, "an address is HOST, HOST:PORT or [IPV6]:PORT");
    std::vector<Address> found;
    const int error = look_up(*where, AI_NUMERICSERV | AI_ADDRCONFIG, found);
    if (error == 0) return found;
    if (error == EAI_SYSTEM) verbs::throw_error(errno, what, {});
    verbs::throw_error(ENXIO, what, gai_strerror(error));
}

std::uint16_t Address::port() const noexcept {
    // Both families have it at the same place.
    return ntohs(reinterpret_cast<const sockaddr_in*>(&storage_)->sin_port);
}

socklen_t Address::raw_size() const noexcept { return is_ipv6() ? sizeof(sockaddr_in6) : sizeof(sockaddr_in); }

std::string Address::to_string() const {
    std::array<char, NI_MAXHOST> host{};
    const auto size = static_cast<socklen_t>(host.size());
    if (getnameinfo(raw(), raw_size(), host.data(), size, nullptr, 0, NI_NUMERICHOST) != 0) return "nowhere";
    return is_ipv6() ? fmt::format("[{}]:{}", host.data(), port()) : fmt::format("{}:{}", host.data(), port());
}

}  // namespace pktverbs::messages
