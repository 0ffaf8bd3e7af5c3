// SPDX-License-Identifier: Apache-2.0
// LinkKind: a row of the table of links.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <pktverbs/address/ipv6_address.hpp>
#include <pktverbs/address/mac_address.hpp>
#include <pktverbs/verbs/timestamp_clock.hpp>

#include "interface/interface.hpp"
#include "soft/link/link.hpp"

namespace pktverbs::soft {

class LinkString;

/// What a device string names, found and not yet opened: a port, as far as it is known before that.
struct LinkPort {
    /// Opens one more link. Throws std::system_error.
    std::function<std::unique_ptr<Link>()> open;
    /// As Link has them. All zero: every open has an address of its own.
    std::function<MacAddress()> mac;
    std::function<std::vector<Ipv6Address>()> addresses;
    std::uint32_t mtu = 0;
    bool waits_for_peer = false;  ///< as verbs::Device has it
    TimestampClock timestamp_clock = TimestampClock::delivery;
    std::shared_ptr<const Interface> interface = nullptr;  ///< null if there is none
};

/// A kind of link is one source file, which defines its row, and its line in link_kinds.cpp.
struct LinkKind {
    struct Key {
        std::string_view name;
        std::string_view value;  ///< as the form shows it
        bool repeats = false;
    };

    std::string_view prefix;    ///< "packet": what stands before the colon
    std::string_view name;      ///< what stands behind it, as the form shows it
    std::span<const Key> keys;  ///< besides those of every kind, which are the faults
    std::string_view purpose;   ///< one line, for people
    /// Throws std::system_error: EINVAL by LinkString::refuse(), ENODEV if there is no such thing.
    LinkPort (*find)(const LinkString& string);
    /// The port on a network interface, for kinds whose name is an interface's; else null.
    LinkPort (*on_interface)(std::shared_ptr<const Interface> interface) = nullptr;

    /// "packet:INTERFACE", "wire:NAME[?mac=MAC&mtu=BYTES]".
    std::string form() const;
};

/// The table. Its first kind with on_interface() is what an interface without a verbs device gets.
std::span<const LinkKind* const> link_kinds() noexcept;
/// Null if there is none.
const LinkKind* find_link_kind(std::string_view prefix) noexcept;

}  // namespace pktverbs::soft
