// SPDX-License-Identifier: Apache-2.0
// Address: an IPv4 or IPv6 address with a port, by number or by name.
#pragma once

#include <sys/socket.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <pktverbs/export.hpp>

namespace pktverbs::messages {

/// Names a socket's address and port, by number or by name.
///
/// A value. As text: "10.0.0.1:12345", "[fe80::1%eth0]:12345"; the port is default_port by default. Numbers are
/// decimal, without leading zeros: 010.0.0.1, 10.1 and 0xa000001 are not addresses.
class PKTVERBS_EXPORT Address {
public:
    /// The port of addresses without one.
    static constexpr std::uint16_t default_port = 12345;

    /// Every local address, IPv4 and IPv6, to listen on.
    explicit Address(std::uint16_t port = default_port) noexcept;
    /// Copies an address, which must be of AF_INET or AF_INET6.
    explicit Address(const sockaddr& address) noexcept;
    /// Parses an address in numbers. Returns nullopt for a name, or for anything else.
    static std::optional<Address> parse(std::string_view text);
    /// Returns all addresses of a number or a name, at least one. Looking up a name blocks. Throws std::system_error:
    /// EINVAL for text that is neither, ENXIO for a name without addresses.
    static std::vector<Address> resolve(std::string_view text);

    /// Returns the port, in host order.
    std::uint16_t port() const noexcept;
    /// Whether it is an IPv6 address.
    bool is_ipv6() const noexcept { return storage_.ss_family == AF_INET6; }
    /// Returns "10.0.0.1:12345" or "[fe80::1%eth0]:12345".
    std::string to_string() const;

    const sockaddr* raw() const noexcept { return reinterpret_cast<const sockaddr*>(&storage_); }
    sockaddr* raw() noexcept { return reinterpret_cast<sockaddr*>(&storage_); }
    /// Returns the length of raw().
    socklen_t raw_size() const noexcept;

private:
    sockaddr_storage storage_{};
};

}  // namespace pktverbs::messages
