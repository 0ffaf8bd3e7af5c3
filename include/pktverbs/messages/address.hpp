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

/// A value. As text: "10.0.0.1:12345", "[fe80::1%eth0]:12345"; where no port is said, it is default_port. Numbers are
/// decimal, without zeros before them: 010.0.0.1, 10.1 and 0xa000001 are no addresses.
class PKTVERBS_EXPORT Address {
public:
    static constexpr std::uint16_t default_port = 12345;

    /// Every local address, IPv4 and IPv6: to listen on.
    explicit Address(std::uint16_t port = default_port) noexcept;
    /// Must be of AF_INET or AF_INET6.
    explicit Address(const sockaddr& address) noexcept;
    /// Numbers only: nullopt for a name, or what is no address.
    static std::optional<Address> parse(std::string_view text);
    /// Numbers or a name: all addresses that it has, never none. A name blocks while it is looked up. Throws
    /// std::system_error: EINVAL for what is neither, ENXIO for a name that has no address.
    static std::vector<Address> resolve(std::string_view text);

    std::uint16_t port() const noexcept;
    bool is_ipv6() const noexcept { return storage_.ss_family == AF_INET6; }
    std::string to_string() const;

    const sockaddr* raw() const noexcept { return reinterpret_cast<const sockaddr*>(&storage_); }
    sockaddr* raw() noexcept { return reinterpret_cast<sockaddr*>(&storage_); }
    socklen_t raw_size() const noexcept;

private:
    sockaddr_storage storage_{};
};

}  // namespace pktverbs::messages
